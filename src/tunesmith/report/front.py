"""The top of the page: headline, tiles, the path of the run, and the gates.

Nothing is measured in the views: each function takes report.json's dictionary and gives what a
template shows, or None when the report holds nothing for it.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.report import figures, road, story

Report = Mapping[str, Any]
View = dict[str, Any]


def hero(report: Report) -> View:
    """Headline, badge, and the line that says which run this is."""
    run = report["run"]
    machine = run.get("machine") or {}
    status = run.get("status", "done")
    tone = {"done": "good", "running": "idle", "stopped": "idle"}.get(status, "bad")
    started = datetime.datetime.fromtimestamp(run["started"], datetime.UTC)
    return {
        "project": run.get("project") or "tunesmith", "id": run["id"], "recipe": run.get("recipe"),
        "headline": story.headline(report), "sentences": story.sentences(report),
        "status": status, "tone": tone, "started": started.strftime("%d %B %Y, %H:%M UTC").lstrip("0"),
        "seconds": run.get("seconds"), "machine": machine_words(machine),
    }  # fmt: skip


def machine_words(machine: Mapping[str, Any]) -> str:
    """``2 cores, 24.0 GiB, no GPU``."""
    parts = []
    if machine.get("cores"):
        parts.append(f"{machine['cores']} core" + ("s" if machine["cores"] != 1 else ""))
    if machine.get("memory_bytes"):
        parts.append(figures.size(machine["memory_bytes"]))
    if "gpu" in machine:
        parts.append(str(machine["gpu"] or "no GPU"))
    return ", ".join(parts)


def tiles(report: Report) -> list[View]:
    """The few numbers that a busy reader takes away."""
    found: list[View] = []
    pair = story.primary(report)
    if pair:
        name = figures.title(pair["name"])
        found.append({"label": name, "before": figures.number(pair["before"]), "value": figures.number(pair["after"]),
                      "note": f"{figures.signed(pair['difference'])} on {figures.count(pair['n'])} rows"})  # fmt: skip
    passed, decided = story.tally(report)
    if decided:
        left = len(report["gates"]) - decided
        note = f"{left} undecided" if left else "each with its reason"
        found.append({"label": "Gates passed", "value": f"{passed} of {decided}", "note": note})
    trained = (report.get("training") or [None])[0]
    if trained:
        found.append({"label": "Training", "value": figures.duration(trained.get("seconds")),
                      "note": f"peak {figures.size(trained.get('peak_bytes'))}"})  # fmt: skip
    variants = report.get("compression") or []
    if len(variants) > 1:
        small = min(variants[1:], key=lambda v: v["bytes"])
        ratio = 1 - small["bytes"] / variants[0]["bytes"]
        found.append({"label": "Smallest form", "value": figures.size(small["bytes"]),
                      "note": f"{small['variant']}, {figures.percent(ratio)} smaller"})  # fmt: skip
    ttft = ((report.get("health") or {}).get("latency") or {}).get("ttft") or {}
    if "p99" in ttft:
        found.append({"label": "First token, P99", "value": figures.duration(ttft["p99"]),
                      "note": f"median {figures.duration(ttft.get('p50'))}"})  # fmt: skip
    found.append({"label": "Whole run", "value": figures.duration(report["run"].get("seconds")),
                  "note": _reused_words(report)})  # fmt: skip
    return found


def steps(report: Report) -> View | None:
    """The picture of the pipeline and one line of words for each station that was asked for."""
    every = report.get("stages") or []
    coming = {"waiting"} if report["run"].get("status") == "running" else set()
    hidden = {"not asked for", "waiting"} - coming
    stages = [stage for stage in every if stage["status"] not in hidden]
    if not stages:
        return None
    longest = max((stage.get("seconds") or 0 for stage in stages), default=0) or 1
    stopped = report["run"].get("status") == "stopped"
    rows, states = [], []
    for stage in stages:
        verdicts = [g for g in report.get("gates") or [] if g["stage"] == stage["name"]]
        # A step that was asked to stop has not failed, though it has no result either.
        status = "stopped" if stopped and stage["status"] == "failed" else stage["status"]
        state = _state({**stage, "status": status}, verdicts)
        states.append(state)
        rows.append({
            "name": stage["name"], "words": story.step_words(report, stage["name"]), "state": state,
            "seconds": stage.get("seconds"), "reused": bool(stage.get("reused")),
            "share": (stage.get("seconds") or 0) / longest, "status": status,
        })  # fmt: skip
    placed = road.stations(stages)
    return {
        "picture": road.draw(placed, states), "rows": rows, "width": road.width(placed),
        "left_out": len(every) - len(stages),
    }  # fmt: skip


def gates(report: Report) -> list[View]:
    """A card for each verdict: failed ones first, otherwise in the order of the run."""
    order = {"failed": 0, "undecided": 1}
    cards = [_gate(gate) for gate in report.get("gates") or []]
    return sorted(cards, key=lambda card: order.get(card["decision"], 2))


def _reused_words(report: Report) -> str:
    stages = report.get("stages") or []
    reused = sum(bool(stage.get("reused")) for stage in stages)
    return f"{len(stages)} steps, {reused} reused" if reused else f"{len(stages)} steps"


def _state(stage: Mapping[str, Any], verdicts: Sequence[Mapping[str, Any]]) -> str:
    """What the station looks like: done, reused, failed, waiting, or what its gates said."""
    if stage["status"] not in {"done", "reused", "gate failed"}:
        return "failed" if stage["status"] in {"failed", "killed"} else "waiting"
    if not verdicts:
        return "reused" if stage.get("reused") else "done"
    if any(gate["decision"] == "failed" and not gate.get("accepted") for gate in verdicts):
        return "gate failed"
    return "gate passed" if all(g["decision"] == "passed" for g in verdicts) else "gate open"


def _gate(gate: Mapping[str, Any]) -> View:
    decision = gate["decision"]
    tone = {"passed": "good", "failed": "bad"}.get(decision, "idle")
    unit = gate.get("unit") or ""
    facts = []
    if gate.get("compared"):
        facts.append(("compared", gate["compared"]))
    if gate.get("value") is not None:
        value = figures.measured(gate["value"], unit)
        ends = [figures.measured(gate.get(end), unit) for end in ("low", "high")]
        known = gate.get("low") is not None and gate.get("high") is not None
        facts.append(("measured", f"{value} ({ends[0]} to {ends[1]})" if known else value))
    if gate.get("threshold") is not None:
        facts.append(("threshold", figures.measured(gate["threshold"], unit)))
    if gate.get("n"):
        facts.append(("rows", figures.count(gate["n"])))
    return {**gate, "title": figures.heading(figures.title(gate["name"])), "tone": tone, "facts": facts, "accepted": gate.get("accepted"),
            "blocking": gate.get("blocking", True)}  # fmt: skip
