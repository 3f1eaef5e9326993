"""``tunesmith run``: the whole pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tunesmith.cli import options


@click.command(
    "run",
    epilog=options.examples(
        "tunesmith run",
        "tunesmith run --until train --set train.learning_rate=2e-4",
        "tunesmith run --from evaluate",
        "tunesmith run --dry-run",
        "tunesmith run --accept 'retention' --because 'general questions do not matter here'",
    ),
)
@options.running
@click.option("--until", metavar="PHASE", help="Stop after this phase or step.")
@click.option("--from", "start", metavar="PHASE", help="Run this phase and all after it anew.")
def command(project: Path, until: str | None, start: str | None, **given: Any) -> int:
    """Run the project's recipe from raw rows to a judged model.

    Results that the ledger holds for the same inputs and settings are reused. A run that was
    stopped or killed goes on where it was when the same command is given again.
    """
    from tunesmith.cli.running import run_project

    return run_project(project, until=until, start=start, given=given)
