"""Promote a candidate only when every criterion holds against the model in service."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from tunesmith.core.stage import Context
from tunesmith.metrics.decide import Decision, decide, paired_table
from tunesmith.metrics.scores import Scores
from tunesmith.renew.config import PromoteConfig


def promote(
    config: PromoteConfig, current: Scores, candidate: Scores, *, folder: Path, ctx: Context
) -> bool:
    """Whether the candidate is promoted; tells a gate for each criterion and the fact ``renewal``."""
    seed = ctx.stream("paired bootstrap")
    decisions = [
        decide(criterion, current, candidate, comparison=config.comparison, seed=seed)
        for criterion in config.criteria
    ]
    is_promoted = all(decision.result.passed for decision in decisions)
    for decision in decisions:
        ctx.gate(replace(decision.result, blocking=False))
    body = {
        "promoted": is_promoted,
        "reason": _reason(candidate.subject, decisions, is_promoted=is_promoted),
        "current": current.subject,
        "candidate": candidate.subject,
        "criteria": [decision.as_dict() | {"blocking": False} for decision in decisions],
        "paired": paired_table(current, candidate, comparison=config.comparison, seed=seed),
    }
    ctx.fact("renewal", body)
    text = json.dumps({"format": 1, **body}, ensure_ascii=False, indent=1, allow_nan=False)
    (folder / "verdict.json").write_text(text + "\n", encoding="utf-8")
    return is_promoted


def _reason(subject: str, decisions: list[Decision], *, is_promoted: bool) -> str:
    blamed = decisions if is_promoted else [d for d in decisions if not d.result.passed]
    word = "promoted" if is_promoted else "refused"
    return f"{subject} is {word}: " + "; ".join(decision.result.reason for decision in blamed)
