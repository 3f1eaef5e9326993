"""Two runs side by side: what was set differently, and what came out differently."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.core.store import Store
from tunesmith.report.figures import flat

Report = Mapping[str, Any]
_SEED = 7


def compare(before: Report, after: Report, store: Store | None = None) -> dict[str, Any]:
    """Settings, metrics, gates and artefacts that differ between two runs of one project.

    With ``store`` each metric that both runs kept by row carries the paired difference of the rows
    they share (``low``, ``high``, ``n``); without it, or without such rows, only the two values.
    """
    paired = _paired(before, after, store) if store else {}
    return {
        "before": _head(before), "after": _head(after),
        "settings": _settings(before, after), "metrics": _metrics(before, after, paired),
        "gates": _gates(before, after), "artifacts": _artifacts(before, after),
    }  # fmt: skip


def _head(report: Report) -> dict[str, Any]:
    run = report["run"]
    return {
        name: run.get(name)
        for name in ("id", "project", "recipe", "status", "started", "seconds", "seed")
    }


def _settings(before: Report, after: Report) -> list[dict[str, Any]]:
    one = dict(flat(before["run"].get("settings") or {}))
    other = dict(flat(after["run"].get("settings") or {}))
    return [
        {"key": key, "before": one.get(key), "after": other.get(key)}
        for key in dict.fromkeys([*one, *other])
        if one.get(key) != other.get(key)
    ]


def _metrics(
    before: Report, after: Report, paired: Mapping[tuple[str, str], Mapping[str, Any]]
) -> list[dict[str, Any]]:
    def by_name(report: Report) -> dict[tuple[str, str, str], Mapping[str, Any]]:
        return {(m["stage"], m["subject"], m["name"]): m for m in report["metrics"]}

    one, other = by_name(before), by_name(after)
    rows = []
    for key in dict.fromkeys([*one, *other]):
        values = [side[key]["value"] if key in side else None for side in (one, other)]
        if values[0] == values[1]:
            continue
        row = {
            "stage": key[0],
            "subject": key[1],
            "name": key[2],
            "before": values[0],
            "after": values[1],
        }
        pair = paired.get((key[0], key[2]))
        if pair:
            row |= {name: pair[name] for name in ("difference", "low", "high", "n")}
        elif values[0] is not None and values[1] is not None:
            row["difference"] = values[1] - values[0]
        rows.append(row)
    return rows


def _gates(before: Report, after: Report) -> list[dict[str, Any]]:
    def by_name(report: Report) -> dict[tuple[str, str], Mapping[str, Any]]:
        return {(g["stage"], g["name"]): g for g in report["gates"]}

    one, other = by_name(before), by_name(after)
    return [
        {"stage": key[0], "name": key[1], "before": one.get(key, {}).get("decision"),
         "after": other.get(key, {}).get("decision"), "reason": other.get(key, {}).get("reason", "")}
        for key in dict.fromkeys([*one, *other])
        if one.get(key, {}).get("decision") != other.get(key, {}).get("decision")
    ]  # fmt: skip


def _artifacts(before: Report, after: Report) -> list[dict[str, Any]]:
    one, other = artifacts(before), artifacts(after)
    return [
        {"output": name, "before": one.get(name), "after": other.get(name)}
        for name in dict.fromkeys([*one, *other])
        if one.get(name) != other.get(name)
    ]


def artifacts(report: Report) -> dict[str, str]:
    """Digest of every output of a run, by "step.output"."""
    prefix = "step:"
    return {
        f"{edge['from'].removeprefix(prefix)}.{edge.get('as', '')}": edge["to"]
        for edge in report["lineage"]["edges"]
        if edge["from"].startswith(prefix)
    }


def _paired(
    before: Report, after: Report, store: Store
) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Paired differences of the scores that both runs have under one name, by (step, metric)."""
    from tunesmith.metrics.criterion import Comparison
    from tunesmith.metrics.decide import paired_table
    from tunesmith.metrics.scores import read_scores

    one, other = artifacts(before), artifacts(after)
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for name in one.keys() & other.keys():
        step, _, output = name.partition(".")
        if output != "scores" or one[name] == other[name]:
            continue
        sides = [read_scores(store.path(side[name])) for side in (one, other)]
        for row in paired_table(*sides, comparison=Comparison(), seed=_SEED):
            found[step, row["name"]] = row
    return found
