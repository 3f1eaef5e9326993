"""Stages ``evaluate`` and ``probe`` on a model that really computes: tiny, random, in bf16."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tunesmith.core.artifact import Artifact
from tunesmith.core.config import Resources
from tunesmith.core.events import EventWriter
from tunesmith.core.stage import Context
from tunesmith.evaluate.config import EvaluateConfig, ProbeConfig
from tunesmith.evaluate.stage import Evaluate, EvaluateInputs, Probe, ProbeInputs
from tunesmith.kinds import Conversations, Model
from tunesmith.metrics.scores import Scores, read_scores
from tunesmith.records.conversation import Conversation, Message, identify
from tunesmith.records.rows import write_conversations


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    events = EventWriter(tmp_path / "events.jsonl")
    yield Context(
        scratch=scratch, keep=tmp_path, events=events, resources=Resources(threads=1), seed=7,
        cache=tmp_path,
    )  # fmt: skip
    events.close()


def rows(ctx: Context, name: str, answer: str, number: int = 12) -> Artifact[Conversations]:
    made = []
    for i in range(number):
        turns = (
            Message("user", f"{name}: visit {i} of today"),
            Message("assistant", answer.format(i=i, parity="yes" if i % 2 else "no")),
        )
        made.append(Conversation(turns, name, i, identify(turns, name, i)))
    folder = ctx.draft(name)
    write_conversations(folder, made)
    return Artifact("0" * 64, folder)


def evaluated(ctx: Context, model: Path, name: str) -> Scores:
    config = EvaluateConfig(subject=name, shots=(0, 2), max_new_tokens=8, resamples=100)
    inputs = EvaluateInputs(
        model=Artifact[Model]("0" * 64, model),
        rows=rows(ctx, "test", "visit {i} was short"),
        examples=rows(ctx, "train", "visit {i} was long"),
    )
    return read_scores(Evaluate().run(config, inputs, ctx).scores.path)


def test_a_random_model_is_about_as_surprised_as_its_vocabulary(
    ctx: Context, tiny_folder: Path
) -> None:
    scores = evaluated(ctx, tiny_folder, "base")
    assert scores.rows == 12
    assert 200 < scores.metrics["perplexity"].value < 340
    # Every token of this tokenizer is a byte, so a byte costs about log2(259) bits and a share of the end.
    assert 7.5 < scores.metrics["bits_per_byte"].value < 9.5
    assert {"rouge1", "rouge1 2-shot", "bleu", "bleu 2-shot"} <= set(scores.metrics)


def test_the_same_model_measured_twice_has_the_same_scores(ctx: Context, tiny_folder: Path) -> None:
    one, other = evaluated(ctx, tiny_folder, "base"), evaluated(ctx, tiny_folder, "base")
    assert one.metrics == other.metrics
    assert one.signature == other.signature


def test_probes_of_a_random_model_find_chance_and_no_leak(ctx: Context, tiny_folder: Path) -> None:
    config = ProbeConfig(subject="base", max_new_tokens=16, verbatim_words=3, resamples=100)
    inputs = ProbeInputs(
        model=Artifact[Model]("0" * 64, tiny_folder),
        general=rows(ctx, "general", "{parity}", 24),
        rows=rows(ctx, "train", "visit {i} was long"),
        held_out=rows(ctx, "test", "visit {i} was short"),
    )
    found = read_scores(Probe().run(config, inputs, ctx).scores.path).metrics
    assert found["retention accuracy"].n == 24
    assert found["verbatim extraction"].value == 0
    assert found["private data in answers"].n == 24
    assert 0 <= found["membership"].value <= 1
