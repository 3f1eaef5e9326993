"""What the page shows of scores, answers, data, lineage and settings (see `tunesmith.report.front`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.report import charts, figures, story

Report = Mapping[str, Any]
View = dict[str, Any]


def scores(report: Report) -> View | None:
    """Small charts of metrics that several subjects share, and a table of every number."""
    metrics = [_without_shots(metric) for metric in report.get("metrics") or []]
    if not metrics:
        return None
    # Compressed forms have a table of their own, and may be scored on fewer rows.
    compressed = {variant["stage"] for variant in report.get("compression") or []}
    compared = [metric for metric in metrics if metric["stage"] not in compressed]
    subjects = list(dict.fromkeys(metric["subject"] for metric in compared))
    panels = []
    for name in dict.fromkeys(metric["name"] for metric in compared):
        by_subject = {m["subject"]: m for m in compared if m["name"] == name}
        rows = list(by_subject.values())[:8]
        if len(rows) > 1:
            panels.append(_panel(name, rows, subjects, highest=_scale_of(compared, name)))
    return {"panels": panels, "pairs": pairs(report.get("paired") or []), "table": metrics}


def _panel(
    name: str, rows: Sequence[Mapping[str, Any]], subjects: Sequence[str], *, highest: float
) -> View:
    title = figures.title(name)
    classes = [_subject_class(row["subject"], subjects) for row in rows]
    return {
        "title": figures.heading(title),
        "hint": "lower is better" if figures.lower_is_better(name) else "",
        "chart": charts.estimates(title, rows, highest=highest, classes=classes),
        "n": _one_n(rows),
    }


def pairs(table: Sequence[Mapping[str, Any]]) -> list[View]:
    """Rows of a table of paired differences; ``tone`` says whether the interval shows a gain or a loss."""
    tones = {1: "good", -1: "bad", 0: "dim"}
    rows = []
    for pair in table:
        better = -1 if pair.get("better") == "lower" else 1
        tone = tones[story.direction(pair) * better]
        rows.append({**pair, "title": figures.title(pair["name"]), "tone": tone})
    return rows


def answers(report: Report) -> list[View]:
    """Rows with what each subject answered, beside what was expected."""
    grouped: dict[object, View] = {}
    for answer in report.get("answers") or []:
        key = str(answer.get("id") or answer.get("row") or answer.get("prompt"))
        card = grouped.setdefault(key, {
            "prompt": answer.get("prompt") or "", "expected": answer.get("expected") or "",
            "given": [],
        })  # fmt: skip
        card["given"].append({
            "subject": answer.get("subject", ""), "text": answer.get("answer") or "",
            "class": _subject_class(answer.get("subject", ""), []),
        })  # fmt: skip
    return list(grouped.values())


def data(report: Report) -> View | None:
    """Rows kept and dropped at each step, splits, lengths, private data and samples of drops."""
    accounts = report.get("accounting") or []
    facts = report.get("data") or []
    if not accounts and not facts:
        return None
    groups = []
    for stage in dict.fromkeys(account["stage"] for account in accounts):
        mine = [account for account in accounts if account["stage"] == stage]
        bars = _waterfall(mine)
        groups.append({"stage": stage, "bars": bars})
    whole = [bar for group in groups for bar in group["bars"] if not _lossy(group)]
    return {
        "groups": [group for group in groups if _lossy(group)],
        "whole": whole,
        "facts": [_data_fact(fact) for fact in facts],
    }


def lineage(report: Report) -> View | None:
    """For each artefact, the step that made it and what that step read."""
    graph = report.get("lineage") or {}
    nodes = {node["id"]: node for node in graph.get("nodes") or []}
    if not nodes:
        return None
    into: dict[str, list[str]] = {}
    for edge in graph.get("edges") or []:
        into.setdefault(edge["to"], []).append(edge["from"])
    rows = []
    for node in nodes.values():
        if node["type"] != "artifact":
            continue
        makers = [nodes[m] for m in into.get(node["id"], []) if m in nodes]
        read = [nodes[r] for maker in makers for r in into.get(maker["id"], []) if r in nodes]
        rows.append({"kind": node.get("kind", ""), "name": node["name"], "digest": node["digest"][:12],
                     "maker": makers[0]["name"] if makers else "",
                     "read": [_node_words(n) for n in read]})  # fmt: skip
    sources = [short_uri(node["name"]) for node in nodes.values() if node["type"] == "source"]
    return {"rows": rows, "sources": sources}


def record(report: Report) -> View:
    """Versions, machine, seed, settings and notes: what it takes to do the run again."""
    run = report["run"]
    facts = [
        ("run", run["id"]),
        ("recipe", run.get("recipe") or ""),
        ("seed", str(run.get("seed"))),
    ]
    facts += [(name, str(value)) for name, value in (run.get("versions") or {}).items()]
    machine = run.get("machine") or {}
    facts += [(n, _machine_value(n, v)) for n, v in machine.items() if v not in (None, "")]
    settings = [
        (name, figures.setting(value)) for name, value in figures.flat(run.get("settings") or {})
    ]
    notes = [{"stage": n.get("stage", ""), "text": n["text"]} for n in report.get("notes") or []]
    return {"facts": facts, "settings": settings, "notes": notes}


def _without_shots(metric: Mapping[str, Any]) -> Mapping[str, Any]:
    """``rouge1 3-shot`` of base becomes ``rouge1`` of ``base 3-shot``: another bar of one chart."""
    name, space, shots = metric["name"].rpartition(" ")
    if not space or not shots.endswith("-shot"):
        return metric
    return {**metric, "name": name, "subject": f"{metric['subject']} {shots}"}


def _subject_class(subject: str, subjects: Sequence[str]) -> str:
    """Grey for the base model, the accent for the tuned one, other colours for the rest."""
    if subject == "base":
        return "s0"
    if subject.startswith("base"):
        return "s3"
    if subject == "tuned":
        return "s1"
    others = [s for s in subjects if not s.startswith("base") and s != "tuned"]
    return ("s2", "s4", "s5")[others.index(subject) % 3] if subject in others else "s2"


def _scale_of(metrics: Sequence[Mapping[str, Any]], name: str) -> float:
    """One right end for ROUGE-1, -2 and -L, so that their bars can be compared; else its own."""
    family = name[:5].lower()
    same = [
        m
        for m in metrics
        if (m["name"][:5].lower() == family if family == "rouge" else m["name"] == name)
    ]
    return max(max(m["value"], m.get("high") or 0) for m in same) or 1.0


def _one_n(rows: Sequence[Mapping[str, Any]]) -> str:
    sizes = {row.get("n") for row in rows}
    return figures.count(sizes.pop()) if len(sizes) == 1 else ""


def _lossy(group: View) -> bool:
    return any(bar["lost"] for bar in group["bars"])


def _waterfall(accounts: Sequence[Mapping[str, Any]]) -> list[View]:
    """A bar for each step. Steps that follow on one another share one scale, so that the loss is
    seen to add up; a step that works on a part of the rows (one split) has its own.
    """  # noqa: D205
    bars: list[View] = []
    scale, follows = 1, 0
    for account in accounts:
        if account["rows_in"] != follows:
            scale = account["rows_in"] or 1
        follows = account["rows_out"]
        lost = sum(account["dropped"].values())
        reasons = sorted(
            ((why, rows) for why, rows in account["dropped"].items() if rows),
            key=lambda pair: -pair[1],
        )
        bars.append({
            **account, "step": account["step"].removeprefix(f"{account['stage']}: "), "lost": lost,
            "kept_share": account["rows_out"] / scale, "lost_share": lost / scale,
            "reasons": reasons[:6], "more": max(0, len(reasons) - 6),
        })  # fmt: skip
    return bars


def _data_fact(fact: Mapping[str, Any]) -> View:
    lengths = fact.get("lengths") or {}
    chart = None
    if lengths.get("counts") and len(lengths["edges"]) == len(lengths["counts"]) + 1:
        unit = lengths.get("unit", "words")
        chart = charts.histogram(lengths["edges"], lengths["counts"], unit=unit,
                                 label=f"Length of the rows in {unit}")  # fmt: skip
    splits = fact.get("splits") or {}
    total = sum(splits.values()) or 1
    return {
        "stage": fact.get("stage", ""), "chart": chart, "unit": lengths.get("unit", "words"),
        "splits": [(name, rows, rows / total) for name, rows in splits.items() if rows],
        "languages": list((fact.get("languages") or {}).items()),
        "private": list((fact.get("private") or {}).items()), "drops": fact.get("drops") or [],
    }  # fmt: skip


def short_uri(uri: str) -> str:
    """A source without its checksum, which stands in report.json and in the settings."""
    return uri.partition("?sha256=")[0]


def _node_words(node: Mapping[str, Any]) -> str:
    return (
        node["name"] if node["type"] == "source" else f"{node.get('kind', '')} {node['digest'][:8]}"
    )


def _machine_value(name: str, value: object) -> str:
    return figures.size(float(str(value))) if name.endswith("_bytes") else str(value)
