"""The page `docs/by-hand/sft.py` and the real training give the same losses and the same weights.

The page uses Transformers 5.23, PEFT 0.21 and torch's own cross entropy; nothing of ours.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.artifact import Artifact
from tunesmith.core.config import Resources
from tunesmith.core.events import EventWriter, read
from tunesmith.core.stage import Context
from tunesmith.records.conversation import Conversation, Message, identify
from tunesmith.records.rows import write_conversations

PAGE = Path(__file__).parents[2] / "docs" / "by-hand" / "sft.py"
# PEFT asks Transformers by an older name of activation checkpointing
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")

STEPS, RATE = 6, 3e-3
PAIRS = [
    ("What helps against a cough?", "Honey, rest, and warm tea."),
    ("Fever", "See a doctor."),
    ("The knee hurts after a long run on Monday; what now?", "Cool it."),
    ("Two days of rash", "Wash the skin, and keep it dry for some days."),
    ("头疼", "多喝水，早点休息。"),
]


def _rows() -> list[Conversation]:
    rows = []
    for i, (asked, said) in enumerate(PAIRS):
        turns = (Message("user", asked), Message("assistant", said))
        rows.append(Conversation(turns, "rows", i, identify(turns, "rows", i)))
    return rows


def _by_hand(model_folder: Path, adapter: Path) -> tuple[list[float], dict[str, Any]]:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = AutoModelForCausalLM.from_pretrained(model_folder, dtype="float32")
    model = PeftModel.from_pretrained(base, adapter, is_trainable=True)
    pairs = [{"prompt": asked, "completion": said} for asked, said in PAIRS]
    sft = runpy.run_path(str(PAGE))["sft"]
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    losses = sft(model, tokenizer, pairs, steps=STEPS, batch=len(PAIRS), learning_rate=RATE)
    model.save_pretrained(adapter.parent / "by-hand")
    return losses, _weights(adapter.parent / "by-hand")


def _really(
    model_folder: Path, adapter: Path, tmp_path: Path
) -> tuple[list[float], dict[str, Any]]:
    from tunesmith.train.config import TrainConfig
    from tunesmith.train.stage import Train, TrainInputs

    write_conversations(tmp_path / "rows", _rows())
    write_conversations(tmp_path / "none", [])
    ctx = Context(
        scratch=tmp_path / "run", keep=tmp_path / "keep", seed=3, cache=tmp_path / "cache",
        events=EventWriter(tmp_path / "events.jsonl"),
        resources=Resources(threads=1, device="cpu", micro_batch=2),
    )  # fmt: skip
    config = TrainConfig(
        precision="fp32", train_batch_size=len(PAIRS), max_steps=STEPS, learning_rate=RATE,
        lr_scheduler_type="constant", warmup_ratio=0.0,
    )  # fmt: skip
    inputs = TrainInputs(
        Artifact("b" * 64, model_folder), Artifact("t" * 64, tmp_path / "rows"),
        Artifact("v" * 64, tmp_path / "none"), None, Artifact("s" * 64, adapter),
    )  # fmt: skip
    tuned = Train().run(config, inputs, ctx).tuned.path
    ctx.events.close()
    events = read(tmp_path / "events.jsonl")
    losses = [e["y"] for e in events if e["kind"] == "point" and e["series"] == "train loss"]
    return losses, _weights(tuned)


def _weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


@pytest.fixture
def adapter(tiny_folder: Path, tmp_path: Path) -> Path:
    """A first adapter as PEFT makes it, with B not zero so that A learns from the first step on."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(5)
    base = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype="float32")
    lora = LoraConfig(
        r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM",
        init_lora_weights=False,
    )  # fmt: skip
    get_peft_model(base, lora).save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


def test_the_page_by_hand_and_the_real_training_agree(
    tiny_folder: Path, adapter: Path, tmp_path: Path
) -> None:
    import torch

    losses, weights = _by_hand(tiny_folder, adapter)
    real_losses, real_weights = _really(tiny_folder, adapter, tmp_path)
    assert losses[-1] < losses[0] - 0.1
    assert real_losses == pytest.approx(losses, rel=1e-4)
    assert set(real_weights) == set(weights)
    before = _weights(adapter)
    for name, weight in weights.items():
        moved = (weight - before[name]).abs().max()
        assert moved > 1e-3, f"{name} learnt nothing"
        torch.testing.assert_close(real_weights[name], weight, rtol=0, atol=float(moved) / 50)
