"""What the page shows of method, training, compression, serving and renewal (see `front`)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from tunesmith.report import charts, figures
from tunesmith.report.evidence import pairs, short_uri
from tunesmith.report.front import machine_words

Report = Mapping[str, Any]
View = dict[str, Any]


def method(report: Report) -> View | None:
    """Every candidate with its forecast, and the forecast beside what was measured."""
    plan, model = report.get("plan") or {}, report.get("model") or {}
    if not plan and not model:
        return None
    compared = [
        {**row, "ratio": row["measured"] / row["predicted"] if row["predicted"] else None,
         "share": _pair_shares(row)}
        for row in plan.get("compared") or []
        if row.get("predicted") is not None and row.get("measured") is not None
    ]  # fmt: skip
    return {
        "chosen": plan.get("chosen"), "reason": plan.get("reason", ""),
        "candidates": plan.get("candidates") or [], "assumptions": plan.get("assumptions") or [],
        "compared": compared, "machine": machine_words(report["run"].get("machine") or {}),
        "currency": next((c.get("currency") for c in plan.get("candidates") or []), "") or "",
        "model": [(n.replace("_", " "), short_uri(figures.setting(v))) for n, v in model.items() if n != "stage"],
    }  # fmt: skip


def training(report: Report) -> list[View]:
    """For each training: its facts, its losses, and its learning rate and speed."""
    curves = report.get("curves") or []
    facts = {fact["stage"]: fact for fact in report.get("training") or []}
    views = []
    for stage in dict.fromkeys([*facts, *(curve["stage"] for curve in curves)]):
        own = {c["series"]: _finite(c["points"]) for c in curves if c["stage"] == stage}
        mine = {series: points for series, points in own.items() if points}
        views.append(
            {
                "stage": stage,
                "facts": _training_facts(facts.get(stage)),
                "charts": _curves(stage, mine),
            }
        )
    return views


def _finite(points: Sequence[Sequence[float | None]]) -> list[list[float]]:
    """Points that can be drawn: a diverged loss has no place on an axis."""
    return [[x, y] for x, y in points if x is not None and y is not None and math.isfinite(y)]


def _curves(
    stage: str, series: Mapping[str, Sequence[Sequence[float]]]
) -> list[tuple[str, Markup]]:
    """(title, chart): the losses together and tall, every other series alone and low."""
    losses = [
        (name, points, "s1" if name.startswith("validation") else "s0")
        for name, points in series.items()
        if "loss" in name
    ]
    drawn = []
    if losses:
        label = _curve_words(stage, losses)
        drawn.append(("Loss", charts.curves(losses, x_label="step", label=label)))
    for name, points in series.items():
        if "loss" not in name and len(points) > 1:
            one = [(name, points, "s2")]
            label = _curve_words(stage, one)
            low = charts.curves(one, x_label="step", label=label, height=118, from_zero=True)
            drawn.append((name, low))
    return drawn


def compression(report: Report) -> View | None:
    """Variants beside the dense model, with bars for size and speed."""
    variants = report.get("compression") or []
    if not variants:
        return None
    largest = max(v["bytes"] for v in variants) or 1
    fastest = max((v.get("tokens_per_second") or 0 for v in variants), default=0) or 1
    rows = [
        {**_blank_variant(), **v, "size_share": v["bytes"] / largest,
         "speed_share": (v.get("tokens_per_second") or 0) / fastest}
        for v in variants
    ]  # fmt: skip
    return {"rows": rows}


def traffic(report: Report) -> View | None:
    """Latency against objectives, and what the number of requests can show."""
    serving, health = report.get("serving") or {}, report.get("health") or {}
    if not serving and not health:
        return None
    latency = health.get("latency") or {}
    objectives = health.get("objectives") or []
    rows = [
        (_latency_title(name), _quantiles(found), _objective_of(name, objectives))
        for name, found in latency.items()
        if found
    ]
    chart = charts.latencies(rows, label=_latency_words(rows)) if rows else None
    return {"serving": _serving_facts(serving), "chart": chart, "objectives": objectives,
            "abnormal": health.get("abnormal") or {}, "use": _use_facts(health.get("use") or {})}  # fmt: skip


def renewal(report: Report) -> list[View]:
    """What later rounds brought: verdict, reason and the paired numbers."""
    return [
        {
            "stage": entry.get("stage", ""), "promoted": bool(entry.get("promoted")),
            "reason": entry.get("reason", ""),
            "compared": f"{entry.get('candidate', 'candidate')} against {entry.get('current', 'current')}",
            "pairs": pairs(entry.get("paired") or []),
        }
        for entry in report.get("renewal") or []
    ]  # fmt: skip


def _pair_shares(row: Mapping[str, Any]) -> tuple[float, float]:
    most = max(row["predicted"], row["measured"]) or 1
    return row["predicted"] / most, row["measured"] / most


def _training_facts(fact: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if not fact:
        return []
    shown = [
        ("method", figures.title(str(fact.get("method") or ""))),
        ("steps", figures.count(fact.get("steps"))), ("best step", figures.count(fact.get("best_step"))),
        ("tokens", figures.count(fact.get("tokens"))), ("tokens with loss", figures.count(fact.get("loss_tokens"))),
        ("time", figures.duration(fact.get("seconds"))), ("tokens/s", figures.number(fact.get("tokens_per_second"))),
        ("peak memory", figures.size(fact.get("peak_bytes"))),
        ("trainable", f"{figures.count(fact.get('trainable_parameters'))} of {figures.count(fact.get('parameters'))}"),
        ("of the machine's matrix rate", figures.percent(fact.get("matmul_share"))),
        ("validation loss", f"{figures.number(fact.get('first_validation_loss'))} → {figures.number(fact.get('best_validation_loss'))}"),
        ("precision", str(fact.get("precision") or "")),
    ]  # fmt: skip
    return [(name, value) for name, value in shown if value and figures.NOTHING not in value]


def _curve_words(stage: str, lines: Sequence[tuple[str, Sequence[Sequence[float]], str]]) -> str:
    ends = [
        f"{n} from {figures.number(p[0][1])} to {figures.number(p[-1][1])}" for n, p, _ in lines
    ]
    return f"{stage}: " + "; ".join(ends)


def _blank_variant() -> View:
    names = (
        "ratio",
        "prompt_tokens_per_second",
        "tokens_per_second",
        "perplexity",
        "rouge1",
        "agreement",
    )
    return {**dict.fromkeys(names), "parity": ""}


def _latency_title(name: str) -> str:
    return {
        "ttft": "Time to first token",
        "total": "Whole answer",
        "queued": "Wait in the queue",
    }.get(name, figures.title(name))


def _quantiles(found: Mapping[str, Any]) -> dict[str, float]:
    return {q: float(v) for q, v in found.items() if q in {"p50", "p95", "p99"} and v is not None}


def _objective_of(name: str, objectives: Sequence[Mapping[str, Any]]) -> float | None:
    words = {"ttft": "first token", "total": "end to end"}.get(name, name)
    for objective in objectives:
        if words in objective.get("name", "").lower() and objective.get("unit") in {"s", "seconds"}:
            return float(objective["objective"])
    return None


def _latency_words(rows: Sequence[tuple[str, Mapping[str, float], float | None]]) -> str:
    return "; ".join(
        f"{name}: " + ", ".join(f"{q.upper()} {figures.duration(v)}" for q, v in found.items())
        for name, found, _ in rows
    )


_SERVING_TITLES = {
    "rate": "Requests/s sent",
    "new_tokens": "Tokens written",
    "tokens_per_second": "Tokens/s",
    "parity_agreement": "Answers equal the engine's",
    "parity_rows": "Answers compared",
    "abnormal": "Abnormal requests",
}
_USE_TITLES = {
    "cpu": "Processors, mean",
    "gpu": "GPU, mean",
    "memory_bytes": "Memory, peak",
    "gpu_memory_bytes": "GPU memory, peak",
}


def _serving_facts(serving: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every plain value of the fact, in its own words; what is nested has its own place.

    Memory is left out: it stands with what else the machine gave.
    """
    return [
        (_SERVING_TITLES.get(name) or figures.title(name), _in_words(name, value))
        for name, value in serving.items()
        if name not in {"stage", "peak_memory_bytes"}
        and isinstance(value, (str, int, float))
        and value != ""
    ]


def _in_words(name: str, value: str | int | float) -> str:
    if isinstance(value, (str, bool)):
        return figures.setting(value)
    if name.endswith("agreement"):
        return figures.percent(value)
    if name.endswith("seconds"):
        return figures.duration(value)
    if isinstance(value, int):
        return figures.size(value) if name.endswith("bytes") else figures.count(value)
    return figures.number(value)


def _use_facts(use: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    for name, value in use.items():
        if isinstance(value, (int, float)):
            words = figures.size(value) if "bytes" in name else figures.percent(value)
            found.append((_USE_TITLES.get(name) or figures.title(name), words))
    return found
