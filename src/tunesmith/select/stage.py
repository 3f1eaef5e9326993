"""The stages ``fetch`` and ``select``, as the graph sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tunesmith.core.artifact import Artifact, Draft
from tunesmith.core.stage import Context
from tunesmith.kinds import Choice, Conversations, Model
from tunesmith.select.config import FetchConfig, SelectConfig


@dataclass(frozen=True, slots=True)
class FetchInputs:
    """Nothing: the model comes from outside."""


@dataclass(frozen=True, slots=True)
class FetchOutputs:
    """The base model, loadable by plain Transformers."""

    model: Draft[Model]


class Fetch:
    """A source -> a model folder that was checked, with bf16 safetensors."""

    name: ClassVar[str] = "fetch"
    version: ClassVar[int] = 1

    def run(self, config: FetchConfig, inputs: FetchInputs, ctx: Context) -> FetchOutputs:
        """Fetch, check, convert where needed, and tell what came."""
        from tunesmith.select.fetch_model import bring

        out = ctx.draft("model")
        bring(config.model, out, ctx)
        return FetchOutputs(Draft(out))


@dataclass(frozen=True, slots=True)
class SelectInputs:
    """The base model and the rows it would be tuned on."""

    model: Artifact[Model]
    rows: Artifact[Conversations]


@dataclass(frozen=True, slots=True)
class SelectOutputs:
    """The chosen method with what every candidate needs."""

    choice: Draft[Choice]


class Select:
    """Model and rows -> a method, chosen by a written rule from a plan of memory and time."""

    name: ClassVar[str] = "select"
    version: ClassVar[int] = 1

    def run(self, config: SelectConfig, inputs: SelectInputs, ctx: Context) -> SelectOutputs:
        """Count tokens, plan every method, choose one; measured speeds go to the facts only."""
        from tunesmith.select.planning import decide

        out = ctx.draft("choice")
        decide(config, inputs.model.path, inputs.rows.path, out, ctx)
        return SelectOutputs(Draft(out))
