"""Stage ``compress``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tunesmith.compress.config import CompressConfig
from tunesmith.core.artifact import Artifact, Draft
from tunesmith.core.stage import Context
from tunesmith.kinds import Compressed, Conversations, Model, Tuned


@dataclass(frozen=True, slots=True)
class CompressInputs:
    """The base model, what tuned it, and held-out rows to measure on."""

    model: Artifact[Model]
    rows: Artifact[Conversations]
    tuned: Artifact[Tuned] | None = None


@dataclass(frozen=True, slots=True)
class CompressOutputs:
    """One folder for each variant, and the table."""

    compressed: Draft[Compressed]


class Compress:
    """A tuned model -> smaller forms of it, with what each costs in size, speed and quality."""

    name: ClassVar[str] = "compress"
    version: ClassVar[int] = 1

    def run(self, config: CompressConfig, inputs: CompressInputs, ctx: Context) -> CompressOutputs:
        """Merge, write every variant, load each again, measure them in turn, judge."""
        from tunesmith.compress.compressing import compress
        from tunesmith.records.rows import read_conversations

        folder = ctx.draft("compressed")
        compress(
            config,
            model=inputs.model.path,
            tuned=inputs.tuned.path if inputs.tuned else None,
            rows=read_conversations(inputs.rows.path),
            folder=folder,
            ctx=ctx,
        )
        return CompressOutputs(compressed=Draft(folder))
