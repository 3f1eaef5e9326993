"""One contract for every engine, on a tiny model: as Transformers runs it, and as llama.cpp does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tunesmith.core.config import Resources
from tunesmith.core.errors import TunesmithError
from tunesmith.integrations.gguf import write_gguf
from tunesmith.integrations.llama_cpp import LlamaCppEngine
from tunesmith.integrations.transformers_engine import TransformersEngine
from tunesmith.ports import Engine, Sampling
from tunesmith.records.conversation import Message

Open = Callable[[int], Engine]

PROMPTS = [
    [Message("user", "Hello there")],
    [Message("system", "Be brief."), Message("user", "你好，世界")],
    [Message("user", "def f(x):\n\treturn x ** 2  # 3.14")],
    [Message("user", "a"), Message("assistant", "b"), Message("user", "c 12345")],
    [Message("user", "Hello there, once more, and longer than the others by far")],
]
ROWS = [[*prompt, Message("assistant", f"answer {i}")] for i, prompt in enumerate(PROMPTS)]


@pytest.fixture(scope="module")
def gguf_file(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    write_gguf(tiny_folder, out, form="f16")
    return out


@pytest.fixture(params=["transformers", "llama.cpp"])
def open_engine(
    request: pytest.FixtureRequest, tiny_folder: Path, gguf_file: Path
) -> Iterator[Open]:
    opened: list[Engine] = []

    def make(rows: int) -> Engine:
        resources = Resources(generate_batch=rows, threads=1, device="cpu")
        engine: Engine
        if request.param == "transformers":
            engine = TransformersEngine(tiny_folder, resources=resources)
        else:
            engine = LlamaCppEngine(gguf_file, resources=resources, context=512)
        opened.append(engine)
        return engine

    yield make
    for engine in opened:
        engine.close()


def test_completions_come_in_the_order_of_the_prompts(open_engine: Open) -> None:
    engine = open_engine(3)
    together = list(engine.generate(PROMPTS, Sampling(max_new_tokens=6)))
    assert [one.prompt_tokens for one in together] == [
        next(iter(engine.generate([prompt], Sampling(max_new_tokens=1)))).prompt_tokens
        for prompt in PROMPTS
    ]
    assert all(1 <= one.completion_tokens <= 6 for one in together)
    assert all((one.finish_reason == "length") == (one.completion_tokens == 6) for one in together)


def test_greedy_answers_repeat(open_engine: Open) -> None:
    engine = open_engine(4)
    sampling = Sampling(max_new_tokens=8)
    assert list(engine.generate(PROMPTS, sampling)) == list(engine.generate(PROMPTS, sampling))


def test_a_seed_repeats_a_sampled_answer_and_another_seed_changes_it(open_engine: Open) -> None:
    engine = open_engine(2)

    def sampled(seed: int) -> list[str]:
        sampling = Sampling(max_new_tokens=12, temperature=1.0, seed=seed)
        return [one.text for one in engine.generate(PROMPTS[:2], sampling)]

    assert sampled(1) == sampled(1)
    assert sampled(1) != sampled(2)


def test_a_stop_text_ends_an_answer_before_it(open_engine: Open) -> None:
    engine = open_engine(1)
    [whole] = engine.generate(PROMPTS[:1], Sampling(max_new_tokens=16))
    assert len(whole.text) >= 3
    stop = whole.text[2]
    [cut] = engine.generate(PROMPTS[:1], Sampling(max_new_tokens=16, stop=(stop,)))
    assert cut.text == whole.text[: whole.text.index(stop)]
    assert cut.finish_reason == "stop"


def test_no_prompts_give_no_completions(open_engine: Open) -> None:
    engine = open_engine(2)
    assert list(engine.generate([], Sampling())) == []
    assert list(engine.score([])) == []


def test_scores_do_not_depend_on_the_rows_beside(open_engine: Open) -> None:
    engine = open_engine(3)
    together = list(engine.score(ROWS))
    alone = [next(iter(engine.score([row]))) for row in ROWS]
    assert [one.tokens for one in together] == [one.tokens for one in alone]
    for one, other in zip(together, alone, strict=True):
        assert one.logprob == pytest.approx(other.logprob, rel=0.02)


def test_a_prompt_that_does_not_fit_is_refused(open_engine: Open) -> None:
    with pytest.raises(TunesmithError):
        list(open_engine(1).generate([[Message("user", "x" * 3000)]], Sampling(max_new_tokens=4)))


def test_both_engines_read_the_same_tokens_and_score_alike(
    tiny_folder: Path, gguf_file: Path
) -> None:
    resources = Resources(generate_batch=2, threads=1, device="cpu")
    ours = TransformersEngine(tiny_folder, resources=resources)
    theirs = LlamaCppEngine(gguf_file, resources=resources, context=512)
    for prompt in PROMPTS:
        assert theirs.tokenize(theirs.render(prompt)) == ours.prompt_ids(prompt)
    for one, other in zip(ours.score(ROWS), theirs.score(ROWS), strict=True):
        assert one.tokens == other.tokens
        assert one.logprob == pytest.approx(other.logprob, rel=0.02)
    ours.close()
    theirs.close()
