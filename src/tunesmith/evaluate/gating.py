"""The work of the stage ``gate``: decide each criterion, tell each number, write the verdict."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tunesmith.core.stage import Context
from tunesmith.evaluate.config import PROBE_METRICS, GateConfig
from tunesmith.metrics.criterion import Criterion
from tunesmith.metrics.decide import Decision, decide, paired_table
from tunesmith.metrics.scores import Scores


def gate(
    config: GateConfig,
    before: Scores,
    after: Scores,
    *,
    folder: Path,
    ctx: Context,
) -> list[Decision]:
    """Decide every criterion of ``config``; ``verdict.json`` holds decisions and paired numbers."""
    seed = ctx.stream("paired bootstrap")
    criteria = [*config.criteria, *_measured(config.probe_criteria, after, ctx)]
    decisions = [
        decide(criterion, before, after, comparison=config.comparison, seed=seed)
        for criterion in criteria
    ]
    table = paired_table(before, after, comparison=config.comparison, seed=seed)
    for decision in decisions:
        ctx.gate(decision.result)
    ctx.fact("paired", table)
    body = {
        "format": 1,
        "before": before.subject,
        "after": after.subject,
        "passed": all(d.result.passed for d in decisions if d.result.blocking),
        "criteria": [decision.as_dict() for decision in decisions],
        "paired": table,
    }
    text = json.dumps(body, ensure_ascii=False, indent=1, allow_nan=False)
    (folder / "verdict.json").write_text(text + "\n", encoding="utf-8")
    return decisions


def _measured(criteria: Sequence[Criterion], after: Scores, ctx: Context) -> list[Criterion]:
    """Probe criteria whose probe ran; the rest are told. A misspelt one stays, and is refused."""
    kept = [c for c in criteria if c.metric in after.metrics or c.metric not in PROBE_METRICS]
    left_out = [c.metric for c in criteria if c not in kept]
    if left_out:
        ctx.note(f"not gated, because not probed: {', '.join(left_out)}")
    return kept
