"""report.json: everything that the ledger knows about one run, as one dictionary.

The schema is described in docs/reference/report.md; ``FORMAT`` is raised when a reader would break.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tunesmith.budget.plan import beside
from tunesmith.core.ledger import Ledger
from tunesmith.core.store import Store
from tunesmith.report.facts import SHAPES, problem
from tunesmith.report.lineage import lineage

FORMAT: Final = 1

Report = dict[str, Any]

_SINGLE: Final = ("model", "verdict", "plan", "serving", "health")
"""Facts of which a run has one; the last one counts."""
_LISTED: Final = ("training", "data", "answers", "paired", "compression", "renewal")
"""Facts of which each step may give one, or a list."""


def collect(ledger: Ledger, store: Store, run: str) -> Report:
    """The whole report of a run, from its ledger and the manifests of its artefacts."""
    steps = ledger.steps(run)
    report = empty()
    report["run"] = _run(ledger, run)
    graph = lineage(ledger, store, steps)
    for step in steps:
        if step["key"]:
            _add_step(report, ledger, step)
    report["stages"] = [_stage(ledger, step, graph["needs"]) for step in steps]
    report["lineage"] = {"nodes": graph["nodes"], "edges": graph["edges"]}
    if report["plan"]:
        report["plan"]["compared"] = _compared(report)
    return report


def empty() -> Report:
    """A report that says nothing yet; `add` fills it."""
    lists = ("stages", "metrics", "gates", "accounting", "curves", "notes", *_LISTED)
    report: Report = {"format": FORMAT, "run": {}}
    report |= {name: [] for name in lists}
    report |= {name: {} for name in _SINGLE}
    report["lineage"] = {"nodes": [], "edges": []}
    return report


def add(report: Report, step: str, event: Mapping[str, Any]) -> None:
    """Put one event of ``step`` into its place; the terminal builds its story with this too."""
    kind = event["kind"]
    body = {
        name: value for name, value in event.items() if name not in {"at", "kind", "memory_bytes"}
    }
    if kind == "metric":
        report["metrics"].append({"stage": step, **body})
    elif kind == "gate":
        report["gates"].append({"stage": step, **body, "accepted": None})
    elif kind == "accounting":
        report["accounting"].append({"stage": step, **body})
    elif kind == "note":
        report["notes"].append({"stage": step, **body})
    elif kind == "point":
        _add_point(report["curves"], step, body)
    elif kind == "fact":
        _add_fact(report, step, body["name"], body["body"])


def _add_step(report: Report, ledger: Ledger, step: Mapping[str, Any]) -> None:
    name, key = step["step"], step["key"]
    accepted = ledger.acceptances(key)
    report["metrics"] += [{"stage": name, **metric} for metric in ledger.metrics(key)]
    report["gates"] += [
        {"stage": name, **gate, "accepted": accepted.get(gate["name"])}
        for gate in ledger.gates(key)
    ]
    for event in ledger.events(key):
        # Metrics and gates are read from their tables: there each name stands once.
        if event["kind"] not in {"metric", "gate"}:
            add(report, name, event)


def _add_point(curves: list[dict[str, Any]], step: str, point: Mapping[str, Any]) -> None:
    """Add a point to its series; a step that is repeated after a resume replaces its first value."""
    series = next(
        (c for c in curves if c["stage"] == step and c["series"] == point["series"]), None
    )
    if series is None:
        series = {"stage": step, "series": point["series"], "points": []}
        curves.append(series)
    points = series["points"]
    while points and points[-1][0] >= point["x"]:
        points.pop()
    points.append([point["x"], point["y"]])


def _add_fact(report: Report, step: str, name: str, body: Any) -> None:
    """Put a fact in its place; one that cannot be shown becomes a note that says why."""
    if name not in SHAPES:
        return
    entries = body if name in _LISTED and isinstance(body, list) else [body]
    for entry in entries:
        wrong = problem(entry, SHAPES[name])
        if wrong:
            text = f"what this step told about `{name}` is not shown: {wrong}"
            report["notes"].append({"stage": step, "text": text})
        elif name in _LISTED:
            report[name].append({"stage": step, **_own(entry)})
        else:
            report[name] = {"stage": step, **_own(entry)}


def _own(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """An entry without the names that are ours: the step that told it, and the plan's comparison."""
    return {name: value for name, value in entry.items() if name not in {"stage", "compared"}}


def _run(ledger: Ledger, run: str) -> dict[str, Any]:
    row = ledger.run(run)
    assert row is not None, f"the caller has found the run {run}"
    settings = row["settings"] or {}
    return {
        "id": row["id"],
        "project": settings.get("name") or Path(ledger.path).parent.parent.name,
        "recipe": row["recipe"], "status": row["status"], "seed": row["seed"],
        "started": row["created"], "seconds": (row["finished"] or time.time()) - row["created"],
        "versions": row["versions"] or {}, "machine": row["machine"] or {}, "error": row["error"],
        "settings": settings, "provenance": row["provenance"] or {},
    }  # fmt: skip


def _stage(
    ledger: Ledger, step: Mapping[str, Any], needs: Mapping[str, list[str]]
) -> dict[str, Any]:
    result = ledger.result(step["key"]) if step["key"] else None
    reused = step["status"] == "reused"
    return {
        "name": step["step"], "stage": step["stage"], "verb": step["verb"],
        "status": "done" if reused else step["status"], "reused": reused,
        "seconds": step["seconds"], "peak_bytes": result.peak_bytes if result else None,
        "key": step["key"], "needs": needs.get(step["step"], []),
    }  # fmt: skip


def _compared(report: Report) -> list[dict[str, Any]]:
    """The plan beside the first training that followed it."""
    if not report["training"]:
        return []
    return [
        {"quantity": row.quantity, "unit": row.unit, "predicted": row.predicted,
         "measured": row.measured, "relative_error": row.relative_error}
        for row in beside(report["plan"], report["training"][0])
    ]  # fmt: skip
