"""``tunesmith explain``: the page about an error code."""

from __future__ import annotations

import click

from tunesmith.cli import options


@click.command(
    "explain", epilog=options.examples("tunesmith explain config-invalid", "tunesmith explain")
)
@click.argument("code", required=False)
def command(code: str | None) -> None:
    """Explain CODE, which stands in the last line of an error; without it, list every code."""
    from rich.console import Console
    from rich.markdown import Markdown

    from tunesmith import api
    from tunesmith.report.explain import codes

    if code is None:
        click.echo("\n".join(codes()))
        return
    page, console = api.explain(code), Console()
    if console.is_terminal:
        console.print(Markdown(page))
    else:
        click.echo(page)
