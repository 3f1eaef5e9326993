"""Perplexity a token, and bits a byte, from summed log-probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tunesmith.metrics.estimate import Floats
from tunesmith.metrics.row_scores import RowScores

_HIGHEST_NATS = 700.0
"""exp(709.8) is the largest float; a model this bad is named by a number, not by infinity."""


def perplexity(nats: Sequence[float], tokens: Sequence[int]) -> RowScores:
    """exp(summed nats / number of tokens); ``nats`` is minus the log-probability of each row.

    Tokens weigh equally, not rows. Not comparable between models with different tokenizers: use
    `bits_per_byte` there.

    Source: Jelinek et al. 1977 (J. Acoust. Soc. Am. 62 S63).
    """
    sums = np.column_stack([np.asarray(nats, float), np.asarray(tokens, float)])
    return RowScores("perplexity", sums, "perplexity", "exp of nats per answer token", "lower")


def of_sums(sums_RK: Floats) -> Floats:
    """Perplexity of each line of (nats, tokens)."""
    rate_R = sums_RK[:, 0] / np.maximum(sums_RK[:, 1], 1.0)
    return np.exp(np.minimum(rate_R, _HIGHEST_NATS))


def bits_per_byte(nats: Sequence[float], answers: Sequence[str]) -> RowScores:
    """Bits that the model needs for each UTF-8 byte of the answers; the same for any tokenizer.

    Source: Gao et al. 2020 (arXiv:2101.00027), section 3.1.
    """
    sizes = [len(answer.encode("utf-8")) for answer in answers]
    sums = np.column_stack([np.asarray(nats, float) / math.log(2.0), np.asarray(sizes, float)])
    return RowScores("ratio", sums, "bits/byte", "bits per UTF-8 byte of the answer", "lower")
