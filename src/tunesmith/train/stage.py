"""Stage ``train``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tunesmith.core.artifact import Artifact, Draft
from tunesmith.core.stage import Context
from tunesmith.kinds import Choice, Conversations, Model, Tuned
from tunesmith.train.config import TrainConfig


@dataclass(frozen=True, slots=True)
class TrainInputs:
    """A base model, rows to learn and to validate on, the chosen method, and where to start from."""

    model: Artifact[Model]
    train: Artifact[Conversations]
    valid: Artifact[Conversations]
    choice: Artifact[Choice] | None = None
    start: Artifact[Tuned] | None = None


@dataclass(frozen=True, slots=True)
class TrainOutputs:
    """An adapter folder of PEFT, or a model folder of Transformers, with ``tuned.json``."""

    tuned: Draft[Tuned]


class Train:
    """A base model and conversations -> what tuning changed."""

    name: ClassVar[str] = "train"
    version: ClassVar[int] = 1

    def run(self, config: TrainConfig, inputs: TrainInputs, ctx: Context) -> TrainOutputs:
        """Tune, going on from the newest checkpoint in ``ctx.keep`` if there is one."""
        from tunesmith.train.work import train

        out = ctx.draft("tuned")
        train(config, inputs, out, ctx)
        return TrainOutputs(Draft(out))
