"""Options that several commands share, and the way a command's examples are written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def examples(*lines: str) -> str:
    """The end of a help text: one example a line, kept as it stands."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def project(command: F) -> F:
    """``--project FOLDER``: where tunesmith.yaml is; the current folder when it is not given."""
    return click.option(
        "--project", "-C", type=click.Path(path_type=Path, file_okay=False), default=Path("."),
        help="Folder of tunesmith.yaml (default: this one).",
    )(command)  # fmt: skip


def settings(command: F) -> F:
    """``--set KEY=VALUE``, as often as wanted."""
    return click.option(
        "--set", "settings", multiple=True, metavar="KEY=VALUE",
        help="Change a setting, such as train.learning_rate=2e-4. May be repeated.",
    )(command)  # fmt: skip


def running(command: F) -> F:
    """The options of every command that runs the pipeline."""
    for option in (
        click.option("--wait", is_flag=True, help="Wait while another run uses the project."),
        click.option("--because", "because", multiple=True, metavar="TEXT",
                     help="The reason for --accept, kept in the ledger and the report."),
        click.option("--accept", "accept", multiple=True, metavar="GATE",
                     help="Let a failed gate pass; needs --because."),
        click.option("--recipe", metavar="NAME", help="Use another recipe than the file names."),
        click.option("--dry-run", is_flag=True, help="Print what would be done, and do nothing."),
        settings,
        project,
    ):  # fmt: skip
        command = option(command)
    return command
