"""Stage ``plan``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tunesmith.core.artifact import Artifact, Draft
from tunesmith.core.stage import Context
from tunesmith.kinds import Scores, Verdict
from tunesmith.plan.config import PlanConfig


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """The base model's scores, with each number of examples in the prompt."""

    baseline: Artifact[Scores]


@dataclass(frozen=True, slots=True)
class PlanOutputs:
    """Prompt only, tune, tune is not enough, or undecided."""

    verdict: Draft[Verdict]


class Plan:
    """A baseline and criteria -> whether tuning is needed, with interval and reason."""

    name: ClassVar[str] = "plan"
    version: ClassVar[int] = 1

    def run(self, config: PlanConfig, inputs: PlanInputs, ctx: Context) -> PlanOutputs:
        """Apply the rule, tell the gate ``tuning needed``, write the verdict."""
        from tunesmith.metrics.scores import read_scores
        from tunesmith.plan.need import decide_need, tell

        folder = ctx.draft("verdict")
        need = decide_need(config, read_scores(inputs.baseline.path))
        tell(config, need, folder=folder, ctx=ctx)
        return PlanOutputs(verdict=Draft(folder))
