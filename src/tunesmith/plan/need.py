"""The rule that turns a baseline into a verdict.

In this order:

1. fewer than ``at_least_rows`` rows were scored: *undecided*;
2. the best prompt's interval lies at or above the target: *prompt only*;
3. the base model needs more than ``most_bits_per_byte`` for the expected answers, with the whole
   interval, and these are ``readable_bytes`` long on average: *tune is not enough*, take a base
   model that knows the language or notation, or train on much more text;
4. otherwise: *tune*. That includes an interval around the target, because the target is then not
   shown to be reached; the reason says so.

The best of several prompts is chosen on the rows it is judged by, so its estimate is a little
too high: the rule then prompts too readily, never tunes too readily.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tunesmith.core.errors import ConfigError
from tunesmith.core.stage import Context, GateResult
from tunesmith.core.table import nearest
from tunesmith.metrics.estimate import Estimate
from tunesmith.metrics.scores import Scores, shot_name
from tunesmith.plan.config import PlanConfig

Word = Literal["prompt only", "tune", "tune is not enough", "undecided"]


@dataclass(frozen=True, slots=True)
class Need:
    """A verdict with the numbers it rests on."""

    verdict: Word
    reason: str
    metric: str
    """The best prompt's metric, such as ``rouge1 3-shot``."""
    best: Estimate
    tried: dict[str, Estimate]
    bits_per_byte: Estimate | None


def decide_need(config: PlanConfig, baseline: Scores) -> Need:
    """The verdict on ``baseline``, which holds the metric for at least one number of shots."""
    tried = {
        name: baseline.metrics[name]
        for name in (shot_name(config.metric, shots) for shots in config.shots)
        if name in baseline.metrics
    }
    _must_fit(config, baseline, tried)
    metric = max(tried, key=lambda name: tried[name].value)
    best = tried[metric]
    bits = _bits(config, baseline)
    verdict, reason = _rule(config, metric, best, bits)
    return Need(verdict, reason, metric, best, tried, bits)


def tell(config: PlanConfig, need: Need, *, folder: Path, ctx: Context) -> None:
    """Write ``verdict.json`` and tell the gate ``tuning needed`` and the fact ``verdict``."""
    best = need.best
    ctx.gate(
        GateResult(
            "tuning needed", passed=need.verdict == "tune", reason=need.reason,
            compared=f"base, best prompt: {need.metric}", value=best.value, low=best.low,
            high=best.high, threshold=config.target, n=best.n, unit=best.unit,
            blocking=config.blocking,
        )
    )  # fmt: skip
    body: dict[str, Any] = {
        "verdict": need.verdict,
        "reason": need.reason,
        "metric": need.metric,
        "target": config.target,
        "best": best.as_dict(),
        "tried": {name: estimate.as_dict() for name, estimate in need.tried.items()},
        "bits_per_byte": asdict(need.bits_per_byte) if need.bits_per_byte else None,
    }
    ctx.fact("verdict", body)
    text = json.dumps({"format": 1, **body}, ensure_ascii=False, indent=1, allow_nan=False)
    (folder / "verdict.json").write_text(text + "\n", encoding="utf-8")


def _rule(
    config: PlanConfig, metric: str, best: Estimate, bits: Estimate | None
) -> tuple[Word, str]:
    shown = f"{metric} {best.value:.3f} ({best.low:.3f} to {best.high:.3f}, {best.n} rows)"
    if best.n < config.at_least_rows:
        return "undecided", (
            f"{shown}: {best.n} rows are too few; {config.at_least_rows} are needed to decide"
        )
    if best.low >= config.target:
        return "prompt only", (
            f"{shown} reaches the target {config.target:g} with the whole interval: prompting is enough"
        )
    if bits and bits.low > config.most_bits_per_byte:
        return "tune is not enough", (
            f"{shown} misses the target {config.target:g}, and the base model needs {bits.value:.2f} bits "
            f"for each byte of the expected answers (at most {config.most_bits_per_byte:g}): it does not "
            "command their language; take another base model"
        )
    if best.high >= config.target:
        return "tune", (
            f"{shown} is not shown to reach the target {config.target:g}, which lies in the interval; more "
            "rows would tell"
        )
    return "tune", f"{shown} is below the target {config.target:g} with the best prompt tried"


def _bits(config: PlanConfig, baseline: Scores) -> Estimate | None:
    """Bits a byte of the expected answers; None when they were not measured or are too short."""
    kept = baseline.by_row.get("bits_per_byte")
    if kept is None or kept.scores.sums[:, 1].mean() < config.readable_bytes:
        return None
    return baseline.metrics["bits_per_byte"]


def _must_fit(config: PlanConfig, baseline: Scores, tried: dict[str, Estimate]) -> None:
    lower = [name for name, kept in baseline.by_row.items() if kept.scores.better == "lower"]
    if tried and config.metric not in lower:
        return
    near = nearest(config.metric, [name for name in baseline.metrics if name not in lower])
    hint = f"; did you mean {near!r}?" if near and near != config.metric else ""
    usable = ", ".join(sorted(set(baseline.metrics) - set(lower)))
    raise ConfigError(
        f"plan.metric is {config.metric!r}, which cannot be the task's metric here{hint}",
        why="the baseline must have been scored with it, and higher must be better",
        fix=f"use one of: {usable or 'no metric at all'}",
        code="criterion-metric-unknown",
    )
