"""The loop on one weight and a loss that can be written down: what is learnt does not matter here."""

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tunesmith.core.config import Resources
from tunesmith.core.errors import RunError, Stopped
from tunesmith.core.events import EventWriter, read
from tunesmith.core.stage import Context
from tunesmith.loop.fit import FitSettings, Job, Progress, fit
from tunesmith.loop.memory import PeakMemory
from tunesmith.loop.optimizer import AdamSettings, Optimizer
from tunesmith.loop.sampler import Sampler
from tunesmith.loop.schedule import Schedule


@dataclass(frozen=True)
class Part:
    rows: tuple[int, ...]
    tokens: int = 3


class Bench:
    """Twelve rows, each pulling the weight towards its own number."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.weight = nn.Parameter(torch.tensor([5.0, -5.0]))
        self.optimizer = Optimizer({"w": self.weight}, AdamSettings())
        self.steps_seen: list[int] = []
        self.spoil: dict[int, float] = {}
        self.stop_at = -1
        self.stop = threading.Event()
        self.settings = settings

    def run(self) -> Progress:
        ctx = Context(
            scratch=self.folder / "scratch", keep=self.folder / "keep", seed=1,
            events=EventWriter(self.folder / "events.jsonl"), resources=Resources(),
            cache=self.folder, stop=self.stop,
        )  # fmt: skip
        steps = self.settings.pop("steps", 12)
        shown = {
            "identity": "x",
            "worst_loss": 40.0,
            "eval_every": 3,
            "save_every": 2,
            **self.settings,
        }
        settings = FitSettings(Schedule(0.1, steps, "cosine"), **shown)
        job = Job(
            Sampler(12, batch=4, seed=2), self._parts, self._objective, "row {}".format, self._valid
        )
        try:
            with PeakMemory() as memory:
                return fit(job, settings, self.optimizer, ctx=ctx, memory=memory)
        finally:
            ctx.events.close()

    def _parts(self, step: int, rows: Sequence[int]) -> Iterator[Part]:
        self.steps_seen.append(step)
        if step == self.stop_at:
            self.stop.set()
        yield Part(tuple(rows[:3]))
        yield Part(tuple(rows[3:]))

    def _objective(self, part: Part) -> tuple[Tensor, int]:
        aims = torch.tensor(part.rows, dtype=torch.float32)[:, None] / 12
        loss = (self.weight - aims).square().sum()
        return loss * self.spoil.get(self.steps_seen[-1], 1.0), len(part.rows)

    def _valid(self) -> float:
        return self.weight.detach().square().sum().item()


def test_a_stopped_training_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    whole = Bench(tmp_path / "whole")
    whole.run()
    first = Bench(tmp_path / "cut")
    first.stop_at = 6
    with pytest.raises(Stopped):
        first.run()
    second = Bench(tmp_path / "cut")
    done = second.run()
    assert second.steps_seen[0] == 7, "the update in which it was stopped is kept"
    assert done.step == 12
    assert torch.equal(second.weight, whole.weight)


def test_nothing_is_saved_twice_or_validated_again_when_all_was_done(tmp_path: Path) -> None:
    first = Bench(tmp_path)
    first.run()
    again = Bench(tmp_path)
    done = again.run()
    assert again.steps_seen == []
    assert done.step == 12
    assert torch.equal(again.weight, first.weight)


@pytest.mark.parametrize("spoiled", [math.nan, math.inf, 1000.0])
def test_a_loss_that_is_no_number_or_explodes_stops_the_training_and_names_the_rows(
    tmp_path: Path, spoiled: float
) -> None:
    bench = Bench(tmp_path)
    bench.spoil = {4: spoiled}
    with pytest.raises(RunError, match="the loss of update 5") as raised:
        bench.run()
    assert "rows of this update: row " in raised.value.why
    assert raised.value.code == "training-diverged"
    assert torch.isfinite(bench.weight).all()


def test_the_weights_of_the_lowest_validation_loss_are_the_result(tmp_path: Path) -> None:
    bench = Bench(tmp_path, steps=60, eval_every=1)
    done = bench.run()
    assert done.best_valid == pytest.approx(bench._valid())
    assert done.first_valid == 50.0


def test_every_update_tells_loss_rate_speed_and_memory(tmp_path: Path) -> None:
    Bench(tmp_path, steps=3).run()
    events = read(tmp_path / "events.jsonl")
    series = [e["series"] for e in events if e["kind"] == "point"]
    assert (
        series.count("train loss") == series.count("learning rate") == series.count("tokens/s") == 3
    )
    last = [e for e in events if e["kind"] == "progress"][-1]
    assert (last["done"], last["total"], last["unit"]) == (3, 3, "step")
    assert {"loss", "learning_rate", "tokens_per_second", "grad_norm", "memory_bytes"} <= set(last)


def test_the_loss_is_divided_once_by_all_tokens(tmp_path: Path) -> None:
    bench = Bench(tmp_path, steps=1)
    bench.run()
    [point] = [e for e in read(tmp_path / "events.jsonl") if e.get("series") == "train loss"]
    rows = torch.tensor(Sampler(12, batch=4, seed=2).rows(0), dtype=torch.float32)[:, None] / 12
    expected = (torch.tensor([5.0, -5.0]) - rows).square().sum() / 4
    assert point["y"] == pytest.approx(expected.item(), rel=1e-6)
