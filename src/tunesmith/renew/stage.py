"""Stages ``replay`` and ``promote``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tunesmith.core.artifact import Artifact, Draft
from tunesmith.core.stage import Context
from tunesmith.kinds import Conversations, Scores, Verdict
from tunesmith.renew.config import PromoteConfig, ReplayConfig


@dataclass(frozen=True, slots=True)
class ReplayInputs:
    """Rows of the new round, and rows that earlier rounds were trained on."""

    new: Artifact[Conversations]
    old: Artifact[Conversations]


@dataclass(frozen=True, slots=True)
class ReplayOutputs:
    """The rows to train the new round on."""

    rows: Draft[Conversations]


class Replay:
    """New rows and old rows -> every new row and a share of the old ones."""

    name: ClassVar[str] = "replay"
    version: ClassVar[int] = 1

    def run(self, config: ReplayConfig, inputs: ReplayInputs, ctx: Context) -> ReplayOutputs:
        """Draw the old rows by the named stream ``replay``; count what is left out, and why."""
        from tunesmith.renew.replay import replay

        folder = ctx.draft("rows")
        replay(config, new=inputs.new.path, old=inputs.old.path, folder=folder, ctx=ctx)
        return ReplayOutputs(rows=Draft(folder))


@dataclass(frozen=True, slots=True)
class PromoteInputs:
    """Scores of the model in service and of the one that would replace it, with probes if any."""

    current: Artifact[Scores]
    candidate: Artifact[Scores]
    probes_current: Artifact[Scores] | None = None
    probes_candidate: Artifact[Scores] | None = None


@dataclass(frozen=True, slots=True)
class PromoteOutputs:
    """Promoted or refused."""

    verdict: Draft[Verdict]


class Promote:
    """Two evaluations -> whether the candidate is promoted. A refusal stops nothing."""

    name: ClassVar[str] = "promote"
    version: ClassVar[int] = 2

    def run(self, config: PromoteConfig, inputs: PromoteInputs, ctx: Context) -> PromoteOutputs:
        """Decide each criterion; the gates inform, because the current model stays in service."""
        from tunesmith.metrics.scores import merged, read_scores
        from tunesmith.renew.promotion import promote

        folder = ctx.draft("verdict")
        current, candidate = read_scores(inputs.current.path), read_scores(inputs.candidate.path)
        if inputs.probes_current and inputs.probes_candidate:
            current = merged(current, read_scores(inputs.probes_current.path))
            candidate = merged(candidate, read_scores(inputs.probes_candidate.path))
        promote(config, current, candidate, folder=folder, ctx=ctx)
        return PromoteOutputs(verdict=Draft(folder))
