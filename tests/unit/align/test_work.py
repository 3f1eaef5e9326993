import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tunesmith.align import pairs as pairs_module
from tunesmith.align.config import AlignConfig
from tunesmith.align.pairs import is_held_out
from tunesmith.align.stage import Align, AlignInputs
from tunesmith.core.artifact import Artifact
from tunesmith.core.config import Resources
from tunesmith.core.errors import DataError
from tunesmith.core.events import EventWriter, read
from tunesmith.core.stage import Context
from tunesmith.integrations.transformers import load_model, load_tuned, read_tuned
from tunesmith.records.conversation import Message
from tunesmith.records.preference import Preference, identify_pair
from tunesmith.records.rows import write_preferences


def invented(number: int) -> list[Preference]:
    """The better answer says yes, the worse one no."""
    draw = random.Random(3)
    rows = []
    for i in range(number):
        prompt = (Message("user", f"Question {draw.randint(0, 99)}?" * draw.randint(1, 3)),)
        chosen, rejected = "yes " * draw.randint(1, 3), "no " * draw.randint(1, 3)
        found = identify_pair(prompt, (chosen, rejected), "pairs.jsonl", i)
        rows.append(Preference(prompt, chosen, rejected, "pairs.jsonl", i, found))
    return rows


Run = Callable[..., tuple[Path, list[dict[str, Any]]]]


@pytest.fixture
def run_align(tiny_folder: Path, tmp_path: Path) -> Run:
    write_preferences(tmp_path / "pairs", invented(24))
    counter = iter(range(100))

    def run(*, tuned: Path | None = None, micro_batch: int = 0, **config: Any):
        folder = tmp_path / f"run{next(counter)}"
        ctx = Context(
            scratch=folder, keep=folder / "keep", events=EventWriter(folder / "events.jsonl"),
            resources=Resources(device="cpu", threads=1, micro_batch=micro_batch), seed=2, cache=folder,
        )  # fmt: skip
        settings = {
            "lora": {"r": 4}, "precision": "fp32", "learning_rate": 5e-3, "valid_share": 0.3, **config
        }  # fmt: skip
        inputs = AlignInputs(
            Artifact("b" * 64, tiny_folder), Artifact("p" * 64, tmp_path / "pairs"),
            Artifact("t" * 64, tuned) if tuned else None,
        )  # fmt: skip
        try:
            out = Align().run(AlignConfig(**settings), inputs, ctx)
        finally:
            ctx.events.close()
        return out.tuned.path, read(folder / "events.jsonl")

    return run


def _points(events: list[dict[str, Any]]) -> list[float]:
    return [e["y"] for e in events if e["kind"] == "point" and e["series"] == "align loss"]


def test_the_loss_starts_at_ln_2_and_the_chosen_answers_win(run_align: Run) -> None:
    _, events = run_align(num_train_epochs=4)
    losses = _points(events)
    assert losses[0] == pytest.approx(math.log(2), abs=1e-5)
    assert losses[-1] < 0.5
    metrics = {e["name"]: e for e in events if e["kind"] == "metric"}
    assert metrics["reward accuracy"]["value"] == 1.0
    assert metrics["reward accuracy"]["subject"] == "aligned"
    assert metrics["reward margin"]["low"] > 0


def test_the_result_is_an_adapter_that_loads_on_the_base_model(
    run_align: Run, tiny_folder: Path
) -> None:
    path, _ = run_align(max_steps=2)
    assert (read_tuned(path)["method"], read_tuned(path)["objective"]) == ("lora", "dpo")
    ids = torch.arange(3, 50)[None]
    with torch.no_grad():
        assert not torch.equal(
            load_tuned(tiny_folder, path)(ids).logits, load_model(tiny_folder)(ids).logits
        )


def test_an_adapter_that_is_aligned_starts_at_ln_2_again(run_align: Run) -> None:
    first, _ = run_align(num_train_epochs=2)
    again, events = run_align(tuned=first, max_steps=1)
    assert _points(events) == [pytest.approx(math.log(2), abs=1e-5)]
    assert read_tuned(again)["parent"] == "t" * 64


def test_micro_batches_do_not_change_the_losses(run_align: Run) -> None:
    whole, cut = (_points(run_align(max_steps=3, micro_batch=n)[1]) for n in (0, 1))
    assert cut == pytest.approx(whole, abs=1e-5)


def test_the_reference_is_computed_once(
    run_align: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = []
    inner = pairs_module.all_logps
    monkeypatch.setattr(
        pairs_module,
        "all_logps",
        lambda o, p, c, label: asked.append(label) or inner(o, p, c, label),
    )
    run_align(max_steps=1)
    assert asked == ["reference log-probabilities"]
    ctx = Context(
        scratch=tmp_path, keep=tmp_path / "run0" / "keep", events=EventWriter(tmp_path / "e.jsonl"),
        resources=Resources(), seed=2, cache=tmp_path,
    )  # fmt: skip
    identity = json.loads((ctx.keep / "reference.json").read_text())["identity"]
    kept = pairs_module.reference(None, [], identity, ctx)  # no model is needed: the file is read
    ctx.events.close()
    assert kept.shape == (24, 2)
    assert asked == ["reference log-probabilities"]


def test_a_pair_is_held_out_by_its_id_alone() -> None:
    class Named:
        def __init__(self, number: int) -> None:
            self.id = f"{number:016x}"

    held = [is_held_out(Named(i), 0.2) for i in range(2000)]
    assert 0.17 < sum(held) / len(held) < 0.23
    assert all(is_held_out(Named(i), 0.5) for i in range(2000) if held[i])


def test_long_and_equal_pairs_are_counted_or_refused(run_align: Run) -> None:
    _, events = run_align(max_steps=1, max_length=60)
    [told] = [e for e in events if e["kind"] == "accounting"]
    assert told["rows_in"] == 24 == told["rows_out"] + sum(told["dropped"].values())
    assert told["dropped"]["length>60"] > 0
    with pytest.raises(DataError, match=r"pairs\.jsonl row \d+ has"):
        run_align(max_steps=1, max_length=60, too_long="error")
    with pytest.raises(DataError, match="no pair of answers"):
        run_align(max_steps=1, max_length=8)
