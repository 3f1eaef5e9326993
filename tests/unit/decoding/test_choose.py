"""The choice of the next token, by hand and as a law."""

from __future__ import annotations

from collections import Counter
from random import Random

import torch

from tunesmith.decoding.choose import choose
from tunesmith.ports import Sampling

LOGITS = torch.tensor([[0.1, 0.5, 0.4]]).log()


def _draws(sampling: Sampling, n: int = 4000) -> Counter[int]:
    stream = Random(3)
    return Counter(choose(LOGITS, [(sampling, stream)])[0] for _ in range(n))


def test_without_temperature_the_likeliest_token_is_chosen() -> None:
    assert _draws(Sampling(), 3) == {1: 3}


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    found = _draws(Sampling(temperature=1.0))
    assert abs(found[0] / 4000 - 0.1) < 0.02
    assert abs(found[1] / 4000 - 0.5) < 0.03


def test_top_p_keeps_the_smallest_set_that_reaches_it() -> None:
    assert set(_draws(Sampling(temperature=1.0, top_p=0.49))) == {1}
    assert set(_draws(Sampling(temperature=1.0, top_p=0.6))) == {1, 2}


def test_a_tiny_top_p_keeps_one_token() -> None:
    assert set(_draws(Sampling(temperature=2.0, top_p=1e-9), 50)) == {1}
