"""Stage ``serve``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tunesmith.core.artifact import Artifact, Draft
from tunesmith.core.stage import Context
from tunesmith.kinds import Compressed, Conversations, Model, Traces, Tuned
from tunesmith.serve.config import ServeConfig


@dataclass(frozen=True, slots=True)
class ServeInputs:
    """The base model, what tuned it, its smaller forms, and held-out rows to ask about."""

    model: Artifact[Model]
    rows: Artifact[Conversations]
    tuned: Artifact[Tuned] | None = None
    compressed: Artifact[Compressed] | None = None


@dataclass(frozen=True, slots=True)
class ServeOutputs:
    """Every request with its times, private data masked."""

    traces: Draft[Traces]


class Serve:
    """A model -> what clients of the real server saw under load."""

    name: ClassVar[str] = "serve"
    version: ClassVar[int] = 1

    def run(self, config: ServeConfig, inputs: ServeInputs, ctx: Context) -> ServeOutputs:
        """Start the server as its own process, send real prompts at their own pace, compare."""
        from tunesmith.records.rows import read_conversations
        from tunesmith.serve.rehearsal import rehearse
        from tunesmith.serve.served import served_model

        folder = ctx.draft("traces")
        served = served_model(
            inputs.model.path,
            inputs.tuned.path if inputs.tuned else None,
            gguf=next(inputs.compressed.path.rglob("*.gguf"), None) if inputs.compressed else None,
            engine=config.server.engine,
        )
        rehearse(config, served, read_conversations(inputs.rows.path), folder=folder, ctx=ctx)
        return ServeOutputs(traces=Draft(folder))
