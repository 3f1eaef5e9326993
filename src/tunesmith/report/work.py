"""What the page shows of method, training, compression, serving and renewal (see `front`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.report import charts, figures

Report = Mapping[str, Any]
View = dict[str, Any]


def method(report: Report) -> View | None:
    """Every candidate with its forecast, and the forecast beside what was measured."""
    plan = report.get("plan") or {}
    if not plan:
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
        "compared": compared, "machine": plan.get("machine") or "",
        "currency": next((c.get("currency") for c in plan.get("candidates") or []), "") or "",
    }  # fmt: skip


def training(report: Report) -> list[View]:
    """For each training: its facts, its losses, and its learning rate and speed."""
    views = []
    curves = report.get("curves") or []
    facts = {fact["stage"]: fact for fact in report.get("training") or []}
    for stage in dict.fromkeys([*facts, *(c["stage"] for c in curves)]):
        mine = {c["series"]: c["points"] for c in curves if c["stage"] == stage if c["points"]}
        losses = [
            (n, p, "s0" if n == "train loss" else "s1") for n, p in mine.items() if "loss" in n
        ]
        drawn = []
        if losses:
            drawn.append(
                ("Loss", charts.curves(losses, x_label="step", label=_curve_words(stage, losses)))
            )
        for name, points in mine.items():
            if "loss" not in name and len(points) > 1:
                one = [(name, points, "s2")]
                drawn.append(
                    (
                        name,
                        charts.curves(
                            one, x_label="step", label=_curve_words(stage, one), from_zero=True
                        ),
                    )
                )
        views.append({"stage": stage, "facts": _training_facts(facts.get(stage)), "charts": drawn})
    return views


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


def renewal(report: Report) -> list[Mapping[str, Any]]:
    """What later rounds brought."""
    return list(report.get("renewal") or [])


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
    return {"ttft": "Time to first token", "total": "Whole answer"}.get(name, figures.title(name))


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


def _serving_facts(serving: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every plain value of the fact, in its own words; what is nested has its own place."""
    return [
        (figures.title(name), _in_words(name, value))
        for name, value in serving.items()
        if name != "stage" and isinstance(value, (str, int, float)) and value != ""
    ]


def _in_words(name: str, value: str | int | float) -> str:
    if isinstance(value, (str, bool)):
        return figures.setting(value)
    if name.endswith("seconds"):
        return figures.duration(value)
    return figures.size(value) if name.endswith("bytes") else figures.number(value)


def _use_facts(use: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    for name, value in use.items():
        if isinstance(value, (int, float)):
            words = figures.size(value) if "bytes" in name else figures.percent(value)
            found.append((figures.title(name.replace("_bytes", "")), words))
    return found
