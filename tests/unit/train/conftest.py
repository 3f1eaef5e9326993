"""Invented rows of uneven length, and a stage run on them with the tiny model."""

import dataclasses
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.artifact import Artifact
from tunesmith.core.config import Resources
from tunesmith.core.events import EventWriter, read
from tunesmith.core.stage import Context
from tunesmith.records.conversation import Conversation, Message, identify
from tunesmith.records.rows import write_conversations
from tunesmith.train.config import TrainConfig
from tunesmith.train.stage import Train, TrainInputs

WORDS = [
    "cough",
    "fever",
    "knee",
    "head",
    "back",
    "rash",
    "two",
    "days",
    "Monday",
    "lunch",
    "night",
    "better",
    "worse",
    "rest",
    "water",
]


def invented(number: int, seed: int) -> list[Conversation]:
    draw = random.Random(seed)
    rows = []
    for i in range(number):
        asked = " ".join(draw.choices(WORDS, k=draw.randint(1, 12)))
        said = " ".join(draw.choices(WORDS, k=draw.randint(1, 6)))
        turns = (Message("user", asked), Message("assistant", said))
        rows.append(Conversation(turns, "invented.jsonl", i, identify(turns, "invented.jsonl", i)))
    return rows


@dataclasses.dataclass(frozen=True)
class Trained:
    path: Path
    keep: Path
    events: list[dict[str, Any]]

    def fact(self, name: str) -> dict[str, Any]:
        return next(e["body"] for e in self.events if e["kind"] == "fact" and e["name"] == name)

    def points(self, series: str) -> list[float]:
        return [e["y"] for e in self.events if e["kind"] == "point" and e["series"] == series]


@pytest.fixture
def run_train(tiny_folder: Path, tmp_path: Path) -> Callable[..., Trained]:
    write_conversations(tmp_path / "rows", invented(20, seed=1))
    write_conversations(tmp_path / "held", invented(5, seed=2))
    write_conversations(tmp_path / "none", [])
    counter = iter(range(100))

    def run(
        start: Path | None = None, keep: str = "", resources: Resources | None = None,
        valid: str = "held", **config: Any,
    ) -> Trained:  # fmt: skip
        folder = tmp_path / f"run{next(counter)}"
        events = folder / "events.jsonl"
        ctx = Context(
            scratch=folder, keep=tmp_path / keep if keep else folder / "keep", seed=3,
            events=EventWriter(events), cache=folder / "cache",
            resources=resources or Resources(threads=1, device="cpu"),
        )  # fmt: skip
        settings = {"train_batch_size": 6, "precision": "fp32", "lora": {"r": 4}, **config}
        inputs = TrainInputs(
            Artifact("b" * 64, tiny_folder), Artifact("t" * 64, tmp_path / "rows"),
            Artifact("v" * 64, tmp_path / valid), None, Artifact("s" * 64, start) if start else None,
        )  # fmt: skip
        try:
            out = Train().run(TrainConfig(**settings), inputs, ctx)
        finally:
            ctx.events.close()
        return Trained(out.tuned.path, ctx.keep, read(events))

    return run
