"""The next token of a row, from its logits."""

from __future__ import annotations

from random import Random

import torch
from torch import Tensor

from tunesmith.ports import Sampling


def choose(logits_BV: Tensor, rows: list[tuple[Sampling, Random]]) -> list[int]:
    """One token for each row: the likeliest, or drawn where the row's temperature is above 0.

    A row draws once from its own stream, so its tokens do not depend on the rows beside it.
    """
    tokens: list[int] = logits_BV.argmax(dim=-1).tolist()
    for row, (sampling, stream) in enumerate(rows):
        if sampling.temperature > 0:
            tokens[row] = _draw(logits_BV[row], sampling, stream.random())
    return tokens


def _draw(logits_V: Tensor, sampling: Sampling, uniform: float) -> int:
    """The token where the cumulative probability, likeliest first, passes ``uniform``.

    Source of top_p: Holtzman et al. 2020 (arXiv:1904.09751), section 3.1: the smallest set of
    likeliest tokens whose probability is at least p.
    """
    probabilities, tokens = torch.softmax(logits_V.double() / sampling.temperature, -1).sort(
        descending=True, stable=True
    )
    cumulative = probabilities.cumsum(-1)
    kept = int((cumulative < sampling.top_p).sum()) + 1
    kept = min(kept, len(cumulative))
    target = uniform * float(cumulative[kept - 1])
    at = int((cumulative[:kept] <= target).sum())
    return int(tokens[min(at, kept - 1)])
