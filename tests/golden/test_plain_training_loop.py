"""Our loop against a plain loop of Transformers 5.23 and PEFT 0.21: padded rows, labels of -100, torch's AdamW.

The plain loop is written here as their documentation teaches it; only the learning rates and the order of
the rows are given to it.
"""

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from tunesmith.core.config import Resources
from tunesmith.loop.optimizer import AdamSettings, Optimizer
from tunesmith.loop.sampler import Sampler
from tunesmith.loop.schedule import Schedule
from tunesmith.loop.step import accumulate
from tunesmith.loop.trainable import Opening, Trainable, open_trainable, write_tuned
from tunesmith.losses.cross_entropy import cross_entropy
from tunesmith.models.adapter import LoraSettings
from tunesmith.tokens.batch import collate, cut
from tunesmith.tokens.chat import Encoded

STEPS = 30
SCHEDULE = Schedule(peak=2e-3, steps=STEPS, shape="cosine", start=1e-5, warmup_steps=3)
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning")


def _rows() -> list[Encoded]:
    draw = random.Random(5)
    rows = []
    for _ in range(23):
        prompt, answer = draw.randint(2, 40), draw.randint(1, 20)
        ids = tuple(draw.randrange(3, 250) for _ in range(prompt + answer))
        rows.append(Encoded(ids, (False,) * prompt + (True,) * answer))
    return rows


ROWS = _rows()


def _ours(opened: Trainable) -> list[float]:
    optimizer = Optimizer(opened.weights, AdamSettings(max_grad_norm=1.0))
    sampler = Sampler(len(ROWS), batch=6, seed=1)
    losses = []
    for step in range(STEPS):
        numbers = sampler.rows(step)
        groups = list(cut([len(ROWS[n].ids) for n in numbers], max_tokens=100))
        assert len(groups) > 1, "the batch is cut, or this shows nothing"
        parts = (collate([ROWS[numbers[i]] for i in g], [numbers[i] for i in g]) for g in groups)
        found = accumulate(
            lambda batch: cross_entropy(opened.logits(batch), batch.targets_N), parts, optimizer
        )
        losses.append(found.mean)
        optimizer.step(learning_rate=SCHEDULE.rate(step), divide_by=found.tokens)
    return losses


def _plain(model: Any) -> list[float]:
    weights = [p for p in model.parameters() if p.requires_grad]
    adam = torch.optim.AdamW(weights, weight_decay=0.0)
    sampler = Sampler(len(ROWS), batch=6, seed=1)
    model.train()
    losses = []
    for step in range(STEPS):
        rows = [ROWS[n] for n in sampler.rows(step)]
        longest = max(len(row.ids) for row in rows)
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
        for i, row in enumerate(rows):
            n = len(row.ids)
            ids[i, :n] = torch.tensor(row.ids)
            mask[i, :n] = 1
            labels[i, :n] = torch.where(torch.tensor(row.is_label), ids[i, :n], -100)
        adam.param_groups[0]["lr"] = SCHEDULE.rate(step)
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        adam.step()
        losses.append(loss.item())
    return losses


def test_lora_losses_of_thirty_steps_are_those_of_the_plain_loop(
    tiny_folder: Path, tmp_path: Path
) -> None:
    opening = Opening("lora", LoraSettings(r=8, lora_alpha=16), "fp32", seed=9)
    opened = open_trainable(tiny_folder, None, opening, resources=Resources(device="cpu"))
    torch.manual_seed(9)
    base = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32)
    plain = get_peft_model(
        base, LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16, target_modules="all-linear")
    )
    plain.load_state_dict(opened.model.state_dict())
    assert _ours(opened) == pytest.approx(_plain(plain), abs=1e-5)

    write_tuned(opened, tiny_folder, tmp_path, base="0" * 64, facts={})
    loaded = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32), tmp_path
    )
    ids = torch.arange(3, 90)[None]
    with torch.no_grad():
        expected = plain(ids).logits
        torch.testing.assert_close(loaded(ids).logits, expected, rtol=0, atol=2e-4)
        batch = collate([Encoded(tuple(range(3, 90)), (False, *[True] * 86))], [0])
        torch.testing.assert_close(
            loaded(ids).logits[0, :-1], opened.logits(batch), rtol=0, atol=2e-6
        )


def test_full_tuning_losses_of_thirty_steps_are_those_of_the_plain_loop(tiny_folder: Path) -> None:
    opening = Opening("full", LoraSettings(), "fp32", seed=0)
    opened = open_trainable(tiny_folder, None, opening, resources=Resources(device="cpu"))
    plain = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32)
    assert _ours(opened) == pytest.approx(_plain(plain), abs=1e-5)
