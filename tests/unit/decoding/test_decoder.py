"""Our decode loop against Transformers' own, on a tiny float32 model."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
import torch

from tunesmith.core.errors import DataError, ModelError
from tunesmith.decoding.batch import Batch, request
from tunesmith.decoding.decoder import Decoder
from tunesmith.ports import Sampling

LENGTHS = [5, 40, 17, 3, 29, 40, 11]


def _prompts(common: int = 0) -> list[list[int]]:
    random = Random(7)
    shared = [random.randrange(3, 259) for _ in range(common)]
    return [shared + [random.randrange(3, 259) for _ in range(n)] for n in LENGTHS]


def _by_transformers(model: Any, ids: list[int], new_tokens: int) -> list[int]:
    out = model.generate(
        torch.tensor([ids]), max_new_tokens=new_tokens, do_sample=False, eos_token_id=2,
        pad_token_id=2, attention_mask=torch.ones(1, len(ids), dtype=torch.long),
    )  # fmt: skip
    return [int(token) for token in out[0, len(ids) :]]


def _by_batch(
    decoder: Decoder, tokenizer: Any, prompts: list[list[int]], rows: int, common: int,
    sampling: Sampling,
) -> list[list[int]]:  # fmt: skip
    batch = Batch(decoder, end_ids=frozenset({2}))
    prefix = decoder.prefix(prompts[0][:common]) if common else None
    waiting = [request(ids, sampling, tokenizer, row=i) for i, ids in enumerate(prompts)]
    everyone = list(waiting)
    while waiting or batch.requests:
        free = rows - len(batch.requests)
        batch.admit([waiting.pop(0) for _ in range(min(free, len(waiting)))], prefix)
        batch.step()
    decoder.clear()
    return [one.tokens for one in everyone]


@pytest.mark.parametrize("rows", [1, 3, 7])
@pytest.mark.parametrize("common", [0, 20])
def test_greedy_tokens_equal_those_of_transformers_generate(
    tiny_model: Any, tiny_tokenizer: Any, rows: int, common: int
) -> None:
    prompts = _prompts(common)
    expected = [_by_transformers(tiny_model, ids, 24) for ids in prompts]
    sampling = Sampling(max_new_tokens=24)
    found = _by_batch(Decoder(tiny_model), tiny_tokenizer, prompts, rows, common, sampling)
    assert found == expected
    assert len({tuple(tokens) for tokens in found}) > 3, "a model that always says the same"


def test_sampled_tokens_do_not_depend_on_the_number_of_rows(
    tiny_model: Any, tiny_tokenizer: Any
) -> None:
    sampling = Sampling(max_new_tokens=16, temperature=0.9, top_p=0.95, seed=5)
    decoder = Decoder(tiny_model)
    alone = _by_batch(decoder, tiny_tokenizer, _prompts(), 1, 0, sampling)
    together = _by_batch(decoder, tiny_tokenizer, _prompts(), 4, 0, sampling)
    assert alone == together


def test_log_probabilities_equal_those_of_the_whole_forward_pass(tiny_model: Any) -> None:
    prompts = _prompts(20)
    decoder = Decoder(tiny_model)
    prefix = decoder.prefix(prompts[0][:20])
    starts = [21 + n // 2 for n in LENGTHS]
    found = list(decoder.logprobs(prompts, starts, prefix))
    assert decoder.rows == 0
    for ids, start, (logprobs_T, likeliest_T) in zip(prompts, starts, found, strict=True):
        with torch.no_grad():
            logits_TV = tiny_model(torch.tensor([ids])).logits[0].log_softmax(-1)
        expected = logits_TV[start - 1 : -1].gather(1, torch.tensor(ids[start:])[:, None])[:, 0]
        torch.testing.assert_close(logprobs_T, expected, rtol=1e-4, atol=1e-4)
        assert torch.equal(likeliest_T, logits_TV[start - 1 : -1].argmax(-1))


def test_a_dropped_request_leaves_the_others_unchanged(
    tiny_model: Any, tiny_tokenizer: Any
) -> None:
    sampling = Sampling(max_new_tokens=20)
    decoder = Decoder(tiny_model)
    expected = _by_batch(decoder, tiny_tokenizer, _prompts(), 7, 0, sampling)
    batch = Batch(decoder, end_ids=frozenset({2}))
    rows = [request(ids, sampling, tiny_tokenizer) for ids in _prompts()]
    batch.admit(rows)
    batch.step()
    if rows[1] in batch.requests:
        batch.drop(rows[1])
    while batch.requests:
        batch.step()
    assert [one.tokens for i, one in enumerate(rows) if i != 1] == expected[:1] + expected[2:]


@pytest.mark.parametrize("piece", [1, 7, 16, 100])
def test_a_prompt_read_in_pieces_gives_the_same_tokens(
    tiny_model: Any, tiny_tokenizer: Any, piece: int
) -> None:
    sampling = Sampling(max_new_tokens=20)
    decoder = Decoder(tiny_model)
    expected = _by_batch(decoder, tiny_tokenizer, _prompts(), 7, 0, sampling)
    batch = Batch(decoder, end_ids=frozenset({2}))
    rows = [request(ids, sampling, tiny_tokenizer) for ids in _prompts()]
    for one in rows:
        reading = decoder.begin(one.ids)
        while (logits_V := reading.advance(piece)) is None:
            batch.step()
        batch.adopt(one, reading, logits_V)
    while batch.requests:
        batch.step()
    assert [one.tokens for one in rows] == expected


def test_a_prompt_longer_than_the_context_is_refused(tiny_model: Any) -> None:
    with pytest.raises(DataError, match="513 tokens and the model reads at most 512"):
        Decoder(tiny_model).add([[5] * 513])


def test_generation_ends_at_the_context(tiny_model: Any, tiny_tokenizer: Any) -> None:
    tokens = _by_batch(
        Decoder(tiny_model), tiny_tokenizer, [[5, 6] * 254], 1, 0, Sampling(max_new_tokens=99)
    )
    assert len(tokens[0]) <= 4


def test_a_model_whose_logits_differ_here_is_refused(tiny_model: Any) -> None:
    class Softcapped(type(tiny_model)):  # type: ignore[misc]  # what Gemma 2 does after its head
        def forward(self, *args: Any, **kwargs: Any) -> Any:
            out = super().forward(*args, **kwargs)
            out.logits = torch.tanh(out.logits / 3) * 3
            return out

    model = Softcapped(tiny_model.config).eval()
    model.load_state_dict(tiny_model.state_dict())
    with pytest.raises(ModelError, match="other logits"):
        Decoder(model)
