"""Stages ``evaluate``, ``probe`` and ``gate``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tunesmith.core.artifact import Artifact, Draft
from tunesmith.core.stage import Context
from tunesmith.evaluate.config import EvaluateConfig, GateConfig, ProbeConfig
from tunesmith.kinds import Conversations, Model, Scores, Tuned, Verdict


@dataclass(frozen=True, slots=True)
class EvaluateInputs:
    """A model, what tuned it, the rows to score it on, and rows to draw examples from."""

    model: Artifact[Model]
    rows: Artifact[Conversations]
    tuned: Artifact[Tuned] | None = None
    examples: Artifact[Conversations] | None = None


@dataclass(frozen=True, slots=True)
class EvaluateOutputs:
    """Estimates, answers and sums by row."""

    scores: Draft[Scores]


class Evaluate:
    """A model and held-out rows -> its scores with intervals, and its answers."""

    name: ClassVar[str] = "evaluate"
    version: ClassVar[int] = 2

    def run(self, config: EvaluateConfig, inputs: EvaluateInputs, ctx: Context) -> EvaluateOutputs:
        """Answer every row with each number of examples, score, and keep the answers."""
        from tunesmith.evaluate.evaluation import evaluate
        from tunesmith.integrations.transformers_engine import TransformersEngine
        from tunesmith.records.rows import read_conversations

        folder = ctx.draft("scores")
        engine = TransformersEngine(
            inputs.model.path,
            inputs.tuned.path if inputs.tuned else None,
            resources=ctx.resources,
        )
        try:
            examples = read_conversations(inputs.examples.path) if inputs.examples else iter(())
            rows = read_conversations(inputs.rows.path)
            evaluate(engine, config, rows=rows, examples=examples, folder=folder, ctx=ctx)
        finally:
            engine.close()
        return EvaluateOutputs(scores=Draft(folder))


@dataclass(frozen=True, slots=True)
class ProbeInputs:
    """A model, what tuned it, general rows, and the rows it was trained on."""

    model: Artifact[Model]
    general: Artifact[Conversations]
    rows: Artifact[Conversations]
    """Training rows: what may not leak."""
    tuned: Artifact[Tuned] | None = None
    held_out: Artifact[Conversations] | None = None
    """Rows it was not trained on: texts to ask about, and the other side of the membership test."""


@dataclass(frozen=True, slots=True)
class ProbeOutputs:
    """Estimates of the probes, answers and sums by row."""

    scores: Draft[Scores]


class Probe:
    """A model -> what it kept of general ability, what it invents, what it leaks."""

    name: ClassVar[str] = "probe"
    version: ClassVar[int] = 2

    def run(self, config: ProbeConfig, inputs: ProbeInputs, ctx: Context) -> ProbeOutputs:
        """Run the probes one after another with one engine."""
        from tunesmith.evaluate.probing import ProbeRows, probe
        from tunesmith.integrations.transformers_engine import TransformersEngine
        from tunesmith.records.rows import read_conversations

        folder = ctx.draft("scores")
        held_out = read_conversations(inputs.held_out.path) if inputs.held_out else ()
        rows = ProbeRows(
            general=tuple(read_conversations(inputs.general.path)),
            trained=tuple(read_conversations(inputs.rows.path)),
            held_out=tuple(held_out),
        )
        engine = TransformersEngine(
            inputs.model.path,
            inputs.tuned.path if inputs.tuned else None,
            resources=ctx.resources,
        )
        try:
            probe(engine, config, rows=rows, folder=folder, ctx=ctx)
        finally:
            engine.close()
        return ProbeOutputs(scores=Draft(folder))


@dataclass(frozen=True, slots=True)
class GateInputs:
    """Scores before and after, and the probes of both where they ran."""

    before: Artifact[Scores]
    after: Artifact[Scores]
    probes_before: Artifact[Scores] | None = None
    probes_after: Artifact[Scores] | None = None


@dataclass(frozen=True, slots=True)
class GateOutputs:
    """The decision on each criterion."""

    verdict: Draft[Verdict]


class Gate:
    """Two evaluations -> a verdict on each criterion; a failed blocking one stops the pipeline."""

    name: ClassVar[str] = "gate"
    version: ClassVar[int] = 2

    def run(self, config: GateConfig, inputs: GateInputs, ctx: Context) -> GateOutputs:
        """Pair the rows, decide each criterion, tell every number."""
        from tunesmith.evaluate.gating import gate
        from tunesmith.metrics.scores import merged, read_scores

        folder = ctx.draft("verdict")
        before, after = read_scores(inputs.before.path), read_scores(inputs.after.path)
        if inputs.probes_before and inputs.probes_after:
            before = merged(before, read_scores(inputs.probes_before.path))
            after = merged(after, read_scores(inputs.probes_after.path))
        gate(config, before, after, folder=folder, ctx=ctx)
        return GateOutputs(verdict=Draft(folder))
