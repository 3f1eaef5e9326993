"""The model card: what a stranger must know before using the tuned model, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.report import figures, story

Report = Mapping[str, Any]


def model_card(report: Report) -> str:
    """Front matter of the field, then intent, scores with intervals, gates, data and limits."""
    run = report["run"]
    parts = [
        _front_matter(report),
        f"# {_line(run.get('project') or 'model')}\n\n{_line(story.headline(report))}\n",
        "\n".join(_line(text) for text in story.sentences(report)) + "\n",
        _scores(report), _gates(report), _data(report), _limits(report), _again(report),
    ]  # fmt: skip
    return "\n".join(part for part in parts if part)


def _front_matter(report: Report) -> str:
    settings = report["run"].get("settings") or {}
    base = dict(figures.flat(settings)).get("model.model")
    method = next((t.get("method") for t in report.get("training") or []), "")
    lines = [
        "---",
        f"language: {settings.get('language') or 'en'}",
        f"base_model: {base or 'unknown'}",
    ]
    lines += ["library_name: " + ("peft" if method in {"lora", "prefix"} else "transformers")]
    return "\n".join([*lines, "tags: [tunesmith, fine-tuned]", "---", ""])


def _scores(report: Report) -> str:
    metrics = report.get("metrics") or []
    rows = [
        [m["stage"], m["subject"], figures.title(m["name"]), figures.number(m["value"]),
         figures.interval(m.get("low"), m.get("high")), figures.count(m.get("n")), m.get("scorer", "")]
        for m in metrics
    ]  # fmt: skip
    heads = ["step", "subject", "metric", "value", "95 % interval", "rows", "scorer"]
    return _table("## Scores", heads, rows)


def _gates(report: Report) -> str:
    rows = [
        [g["name"], g["decision"] + (" (accepted)" if g.get("accepted") else ""), g["reason"]]
        for g in report.get("gates") or []
    ]
    return _table("## Gates", ["gate", "decision", "reason"], rows)


def _data(report: Report) -> str:
    rows = [
        [a["stage"], a["step"], figures.count(a["rows_in"]), figures.count(a["rows_out"]),
         ", ".join(f"{reason}: {figures.count(n)}" for reason, n in a["dropped"].items())]
        for a in report.get("accounting") or []
    ]  # fmt: skip
    return _table("## Data", ["step", "what", "rows in", "rows out", "dropped"], rows)


def _limits(report: Report) -> str:
    """What the run itself says against the model: every gate that did not pass."""
    open_ = [g for g in report.get("gates") or [] if g["decision"] != "passed"]
    lines = [f"- **{_line(g['name'])}** ({g['decision']}): {_line(g['reason'])}" for g in open_]
    lines.append("- The numbers hold for rows like those measured; other rows need their own run.")
    return "## Limits\n\n" + "\n".join(lines) + "\n"


def _again(report: Report) -> str:
    run = report["run"]
    versions = ", ".join(f"{name} {value}" for name, value in (run.get("versions") or {}).items())
    return (
        f"## How it was made\n\nRun `{run['id']}`, recipe `{run.get('recipe')}`, seed {run.get('seed')}; "
        f"{versions}. Every number above is in the run's `report.json`, with the rows it rests on.\n"
    )


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = [title, "", _row(heads), _row(["---"] * len(heads)), *map(_row, rows)]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_line(cell).replace("|", "\\|") for cell in cells) + " |"


def _line(text: object) -> str:
    """One line without HTML: names and reasons may hold what a data file said."""
    return " ".join(str(text).split()).replace("<", "&lt;")
