"""``tunesmith diff``: two runs side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from tunesmith.cli import options


@click.command(
    "diff",
    epilog=options.examples(
        "tunesmith diff 20270401-1200 20270402-0900", "tunesmith diff 2027 2027 --json"
    ),
)
@click.argument("before")
@click.argument("after")
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
@options.project
def command(before: str, after: str, as_json: bool, project: Path) -> None:
    """Compare the runs BEFORE and AFTER: settings, numbers, gates and artefacts that differ.

    Numbers that both runs kept by row carry the paired difference of the rows they share, with its
    95 % interval.
    """
    from tunesmith import api

    found = api.compare(project, before, after)
    if as_json:
        from tunesmith.cli.terminal import json_text

        click.echo(json_text(found))
        return
    _draw(found)


def _draw(found: Mapping[str, Any]) -> None:
    from rich.table import Table

    from tunesmith.cli.console import console as terminal_console
    from tunesmith.report import figures

    console = terminal_console()
    one, other = found["before"]["id"], found["after"]["id"]
    console.print(
        f"[bold]{one}[/] ({found['before']['status']}) and [bold]{other}[/] ({found['after']['status']})"
    )
    rows: dict[str, list[tuple[str, ...]]] = {
        "Settings": [(s["key"], figures.setting(s["before"]), figures.setting(s["after"]), "") for s in found["settings"]],
        "Numbers": [
            (f"{m['stage']}: {m['subject']} {figures.title(m['name'])}", figures.number(m["before"]),
             figures.number(m["after"]), difference_words(m))
            for m in found["metrics"]
        ],
        "Gates": [(f"{g['stage']}: {g['name']}", g["before"] or "", g["after"] or "", g["reason"]) for g in found["gates"]],
        "Artefacts": [(a["output"], (a["before"] or "")[:12], (a["after"] or "")[:12], "") for a in found["artifacts"]],
    }  # fmt: skip
    for title, lines in rows.items():
        if not lines:
            console.print(f"\n{title}: the same")
            continue
        table = Table(
            "",
            "before",
            "after",
            "",
            title=title,
            title_justify="left",
            box=None,
            header_style="dim",
        )
        for line in lines:
            table.add_row(*map(_plain, line))
        console.print()
        console.print(table)


def difference_words(metric: Mapping[str, Any]) -> str:
    """``+0.021 (0.004 to 0.041, 25 rows)`` where rows were kept, the bare difference elsewhere."""
    from tunesmith.report import figures

    if metric.get("difference") is None:
        return ""
    text = figures.signed(metric["difference"])
    if metric.get("low") is None:
        return text
    return f"{text} ({figures.interval(metric['low'], metric['high'])}, {figures.count(metric['n'])} rows)"


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(text)
