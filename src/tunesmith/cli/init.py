"""``tunesmith init``: a new project folder."""

from __future__ import annotations

from pathlib import Path

import click

from tunesmith.cli import options


@click.command(
    "init",
    epilog=options.examples(
        "tunesmith init notes --template clinical-notes",
        "tunesmith init terms --template contracts",
    ),
)
@click.argument("name", type=click.Path(path_type=Path))
@click.option(
    "--template", default="clinical-notes", show_default=True, metavar="NAME",
    help="clinical-notes, contracts, finance-qa or code.",
)  # fmt: skip
def command(name: Path, template: str) -> None:
    """Make the folder NAME with a tunesmith.yaml that runs as it stands.

    No file is ever written over.
    """
    from tunesmith import api

    path = api.initialise(name, template)
    click.echo(f"Wrote {path}")
    click.echo(
        f"Next: tunesmith run --project {name}    (or first: tunesmith run --project {name} --dry-run)"
    )
