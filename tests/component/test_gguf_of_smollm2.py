"""The real SmolLM2 written as GGUF by us, run by llama.cpp, beside Transformers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunesmith.core.config import Resources
from tunesmith.integrations.gguf import write_gguf
from tunesmith.integrations.llama_cpp import LlamaCppEngine
from tunesmith.integrations.transformers_engine import TransformersEngine
from tunesmith.ports import Sampling
from tunesmith.records.conversation import Message

pytestmark = pytest.mark.real

TEXTS = [
    "The patient is a 57-year-old woman; BP 120/80, temp. 38.5 °C.",
    "   indented\n\n\tcode = {'a': [1, 2.5e-3]}  # 100%",
    "中文字符测试，没有空格。她今年57岁。",
    "def f(x):\n    return x ** 2 + 1_000",
    "12345 67 8.9 v1.2.3 ２３ ½",
    "😀 émigré naïve — “quoted” …",
    "<|im_start|>user\nhi<|im_end|>\n",
    "it's we'll I'VE don't",
]
PROMPTS = [
    [Message("user", "What is the capital of France?")],
    [Message("user", "Write one sentence about rain.")],
    [Message("system", "Be brief."), Message("user", "Name two colours.")],
]
ANSWERS = [
    "The capital of France is Paris, which lies on the river Seine.",
    "Rain falls softly on the roofs of the city while people hurry home.",
    "Red and blue are two colours.",
]


@pytest.fixture(scope="module", params=["f16", "q8_0"])
def engines(
    request: pytest.FixtureRequest, smollm2: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[TransformersEngine, LlamaCppEngine]]:
    out = tmp_path_factory.mktemp("gguf") / "m.gguf"
    write_gguf(smollm2, out, form=request.param)
    resources = Resources(device="cpu", generate_batch=2)
    both = (
        TransformersEngine(smollm2, resources=resources),
        LlamaCppEngine(out, resources=resources),
    )
    yield both
    for engine in both:
        engine.close()


def test_texts_become_the_same_tokens(
    engines: tuple[TransformersEngine, LlamaCppEngine],
) -> None:
    ours, theirs = engines
    for text in TEXTS:
        assert theirs.tokenize(text) == ours.tokenizer.encode(text, add_special_tokens=False)
    for prompt in PROMPTS:
        assert theirs.tokenize(theirs.render(prompt)) == ours.prompt_ids(prompt)


def test_answers_have_the_same_probability_and_next_tokens(
    engines: tuple[TransformersEngine, LlamaCppEngine],
) -> None:
    ours, theirs = engines
    rows = [
        [*prompt, Message("assistant", text)] for prompt, text in zip(PROMPTS, ANSWERS, strict=True)
    ]
    tokens = same = 0
    for one, other in zip(ours.score(rows), theirs.score(rows), strict=True):
        assert one.tokens == other.tokens
        # nats a token; a wrong rotary order or template costs several
        assert math.isclose(one.logprob, other.logprob, abs_tol=0.1 * one.tokens)
        tokens += one.tokens
        same += sum(a == b for a, b in zip(one.likeliest, other.likeliest, strict=True))
    assert same >= 0.8 * tokens


def test_llama_cpp_answers_as_the_model_does(
    engines: tuple[TransformersEngine, LlamaCppEngine],
) -> None:
    # "The" and "L" are a near-tie at the start of an answer in French or English, so it is fixed here
    asked = [[Message("system", "You answer in English."), *PROMPTS[0]]]
    said = [next(iter(e.generate(asked, Sampling(max_new_tokens=16)))).text for e in engines]
    assert "Paris" in said[0]
    assert "Paris" in said[1]
