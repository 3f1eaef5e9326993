"""How ``tunesmith show`` draws what it found: tables, rows as cards, the label mask in colour."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tunesmith.cli.console import console as terminal_console
from tunesmith.report import diff, figures, story

Shown = Mapping[str, Any]


def draw(found: Shown) -> None:
    """Draw what `tunesmith.api.show` gave."""
    console = terminal_console()
    drawers = {
        "run": _run,
        "runs": _runs,
        "settings": _settings,
        "artifact": _artifact,
        "mask": _mask,
    }
    drawers[found["kind"]](console, found)


def _run(console: Console, report: Shown) -> None:
    console.print(Text(story.headline(report), style="bold"))
    run = report["run"]
    console.print(f"run {run['id']}, recipe {run['recipe']}, {run['status']}, {figures.duration(run['seconds'])}\n",
                  style="dim", highlight=False)  # fmt: skip
    outputs: dict[str, list[str]] = {}
    for name, digest in diff.artifacts(report).items():
        step, _, output = name.partition(".")
        outputs.setdefault(step, []).append(f"{output}:{digest[:8]}")
    table = _table("step", "phase", "status", "time", "gave", "key numbers")
    for stage in report["stages"]:
        status = "reused" if stage["reused"] else stage["status"]
        table.add_row(
            stage["name"], stage["verb"], status, figures.duration(stage["seconds"]),
            " ".join(outputs.get(stage["name"], [])), Text(story.step_words(report, stage["name"])),
        )  # fmt: skip
    console.print(table)


def _runs(console: Console, found: Shown) -> None:
    table = _table("run", "status", "recipe", "started", "time", "seed")
    for run in found["runs"]:
        started = datetime.datetime.fromtimestamp(run["created"]).strftime("%Y-%m-%d %H:%M:%S")
        seconds = run["finished"] - run["created"] if run["finished"] else None
        table.add_row(
            run["id"],
            run["status"],
            run["recipe"],
            started,
            figures.duration(seconds),
            str(run["seed"]),
        )
    console.print(table)


def _settings(console: Console, found: Shown) -> None:
    """Each setting on a line of its own, its meaning below: narrow terminals have no room for columns."""
    console.print(Text(found["name"], style="bold"))
    console.print(Text(found["doc"], style="dim"))
    for field in found["fields"]:
        line = Text("\n" + field["key"], style="bold")
        line.append(f"  {field['type']}", style="not bold cyan")
        if field["default"] == "required":
            line.append("  required", style="not bold yellow")
        else:
            line.append(f"  = {figures.setting(field['default'])}", style="not bold")
        console.print(line)
        if field["doc"]:
            console.print(Padding(Text(field["doc"], style="dim"), (0, 0, 0, 2)))


def _artifact(console: Console, found: Shown) -> None:
    console.print(Text(f"{found['holds']} {found['digest']}", style="bold"))
    maker = found["made_by"]
    if maker:
        console.print(
            f"made by {maker['stage']} as {maker['output']}", style="dim", highlight=False
        )
    for row in found["inputs"]:
        console.print(f"  from {row['name']} {row['digest'][:12]}", style="dim", highlight=False)
    console.print(found["path"], style="dim", highlight=False, soft_wrap=True)
    if found["damaged"]:
        console.print(Text(f"damaged: {', '.join(found['damaged'])}", style="red"))
    table = _table("file", "size", "sha256")
    for file in found["files"]:
        table.add_row(Text(file["path"]), figures.size(file["bytes"]), file["sha256"][:12])
    console.print(table)
    for name, body in found["facts"].items():
        _facts(console, name, body)
    for row in found["rows"]:
        console.print(_card(row))


def _facts(console: Console, name: str, body: object) -> None:
    if not isinstance(body, Mapping):
        return
    table = _table(name, "")
    for key, value in figures.flat(body):
        if not isinstance(value, (list, tuple)) or not any(
            isinstance(v, (dict, list)) for v in value
        ):
            table.add_row(Text(key), Text(figures.setting(value)))
    console.print(table)


def _card(row: Mapping[str, Any]) -> Panel:
    """One row as a card: messages by role, other columns as they are."""
    text = Text()
    for message in row.get("messages") or []:
        text.append(f"{message['role']}  ", style="bold cyan")
        text.append(message["content"] + "\n")
    for name, value in row.items():
        if name not in {"messages", "source", "row", "id"} and value not in (None, "", []):
            text.append(f"{name}  ", style="bold cyan")
            text.append(f"{figures.setting(value) if not isinstance(value, str) else value}\n")
    where = f"{row['source']}:{row['row']}" if "source" in row and "row" in row else ""
    text.rstrip()
    return Panel(
        text,
        title=Text(str(row.get("id", ""))),
        subtitle=Text(where),
        title_align="left",
        border_style="dim",
    )


def _mask(console: Console, found: Shown) -> None:
    """Tokens with a loss on green; the others dim. Without colour they stand in [[ ]]."""
    for row in found["rows"]:
        learnt = sum(is_label for _, is_label in row["tokens"])
        console.print(
            f"[bold]{row['id']}[/]  loss on {learnt} of {len(row['tokens'])} tokens",
            highlight=False,
        )
        text, coloured, inside = Text(), console.color_system is not None, False
        for token, is_label in row["tokens"]:
            if not coloured and is_label != inside:
                text.append("[[" if is_label else "]]")
            text.append(token, style="black on green" if is_label and coloured else "dim")
            inside = is_label
        if inside and not coloured:
            text.append("]]")
        console.print(text)
        console.print()


def _table(*heads: str) -> Table:
    return Table(*heads, box=None, header_style="dim", pad_edge=False)
