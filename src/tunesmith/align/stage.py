"""Stage ``align``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tunesmith.align.config import AlignConfig
from tunesmith.core.artifact import Artifact, Draft
from tunesmith.core.stage import Context
from tunesmith.kinds import Model, Preferences, Tuned


@dataclass(frozen=True, slots=True)
class AlignInputs:
    """A base model, what tuned it, and pairs of a chosen and a rejected answer."""

    model: Artifact[Model]
    pairs: Artifact[Preferences]
    tuned: Artifact[Tuned] | None = None


@dataclass(frozen=True, slots=True)
class AlignOutputs:
    """An adapter folder of PEFT with ``tuned.json``."""

    tuned: Draft[Tuned]


class Align:
    """A model and preferences -> a model that prefers the chosen answers."""

    name: ClassVar[str] = "align"
    version: ClassVar[int] = 1

    def run(self, config: AlignConfig, inputs: AlignInputs, ctx: Context) -> AlignOutputs:
        """Align, going on from the newest checkpoint in ``ctx.keep`` if there is one."""
        from tunesmith.align.work import align

        out = ctx.draft("tuned")
        align(config, inputs, out, ctx)
        return AlignOutputs(Draft(out))
