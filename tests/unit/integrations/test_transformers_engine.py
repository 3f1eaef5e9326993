"""The PyTorch engine against Transformers' own generate, text for text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.config import Resources
from tunesmith.core.errors import ModelError
from tunesmith.integrations.transformers import load_model, load_tokenizer
from tunesmith.integrations.transformers_engine import (
    TransformersEngine,
    choose_device,
    common_length,
)
from tunesmith.ports import Sampling
from tunesmith.records.conversation import Message

SYSTEM = Message("system", "You write the notes of visits, in short and plain sentences.")
PROMPTS = [
    [SYSTEM, Message("user", text)]
    for text in (
        "Cough for two days.",
        "你好",
        "x",
        "Fever since Monday, and a rash " * 6,
        "Knee pain",
    )
]


def _by_transformers(model: Any, tokenizer: Any, prompt: list[Message]) -> str:
    turns = [{"role": one.role, "content": one.content} for one in prompt]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    given = tokenizer(text, return_tensors="pt", add_special_tokens=False)
    out = model.generate(**given, max_new_tokens=20, do_sample=False, pad_token_id=2)
    new = out[0, given["input_ids"].shape[1] :]
    return str(tokenizer.decode(new, skip_special_tokens=True))


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_texts_equal_those_of_transformers_generate_in_float32(
    tiny_folder: Path, rows: int
) -> None:
    model, tokenizer = load_model(tiny_folder, dtype=torch.float32), load_tokenizer(tiny_folder)
    engine = TransformersEngine.of(model, tokenizer, generate_batch=rows)
    found = [one.text for one in engine.generate(PROMPTS, Sampling(max_new_tokens=20))]
    assert found == [_by_transformers(model, tokenizer, prompt) for prompt in PROMPTS]


def test_a_caller_that_stops_early_leaves_the_engine_usable(tiny_folder: Path) -> None:
    engine = TransformersEngine(tiny_folder, resources=Resources(generate_batch=2, threads=1))
    whole = list(engine.generate(PROMPTS, Sampling(max_new_tokens=6)))
    begun = engine.generate(PROMPTS, Sampling(max_new_tokens=6))
    assert next(begun) == whole[0]
    begun.close()  # type: ignore[attr-defined]  # a generator
    assert engine.decoder.rows == 0
    assert list(engine.generate(PROMPTS, Sampling(max_new_tokens=6))) == whole


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), max_size=5))
def test_the_common_beginning_leaves_a_token_of_every_row(rows: list[list[int]]) -> None:
    length = common_length(rows)
    assert all(row[:length] == rows[0][:length] for row in rows)
    shortest = min(map(len, rows), default=1)
    assert length == shortest - 1 or len({row[length] for row in rows}) > 1


def test_a_gpu_that_is_not_there_is_named() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert choose_device("auto") == "cpu"
    with pytest.raises(ModelError, match="PyTorch sees no GPU"):
        choose_device("cuda")
