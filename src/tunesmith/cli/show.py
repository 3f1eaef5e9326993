"""``tunesmith show``: look at anything by its name."""

from __future__ import annotations

from pathlib import Path

import click

from tunesmith.cli import options


@click.command(
    "show",
    epilog=options.examples(
        "tunesmith show                        the newest run, its steps and outputs",
        "tunesmith show prepare.train          the first training rows",
        "tunesmith show mask --rows 2          which tokens the loss is computed for, in colour",
        "tunesmith show TrainConfig            every setting of a class, with its meaning",
        "tunesmith show 3fa9c1                 an artefact by the start of its digest",
        "tunesmith show runs",
    ),
)
@click.argument("what", required=False)
@click.option(
    "--rows", "limit", type=click.IntRange(0), default=5, show_default=True, help="Rows to show."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@options.project
def command(what: str | None, limit: int, as_json: bool, project: Path) -> None:
    """Show a run, an artefact with its first rows, a class of settings, or the label mask.

    WHAT is a run's id, `runs`, a step's output such as prepare.train, the start of a digest, the
    name of a class of settings, or `mask`. Without it the newest run is shown.
    """
    from tunesmith import api

    found = api.show(project, what, limit=limit)
    if as_json:
        from tunesmith.cli.terminal import json_text

        click.echo(json_text(found))
        return
    from tunesmith.cli.drawing import draw

    draw(found)
