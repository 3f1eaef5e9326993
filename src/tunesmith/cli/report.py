"""``tunesmith report``: write a run's report again."""

from __future__ import annotations

from pathlib import Path

import click

from tunesmith.cli import options


@click.command(
    "report",
    epilog=options.examples(
        "tunesmith report",
        "tunesmith report --open",
        "tunesmith report 20270401-1200 --project notes",
    ),
)
@click.argument("run", required=False)
@click.option("--open", "open_it", is_flag=True, help="Open report.html in the web browser.")
@options.project
def command(run: str | None, open_it: bool, project: Path) -> None:
    """Write report.html, report.json and the model card of RUN again, from the ledger.

    RUN is the beginning of a run's id; without it the newest run is taken.
    """
    import json

    from tunesmith import api
    from tunesmith.cli.terminal import harmless
    from tunesmith.report import story

    path = api.write_report(project, run)
    report = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    click.echo(harmless(story.headline(report)))
    for name in (path, path.with_suffix(".json"), path.with_name("model-card.md")):
        click.echo(f"  {name}")
    if open_it:
        click.launch(path.as_uri())
