"""F1 of words, as used for short answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tunesmith.metrics.words import words

_ARTICLES = frozenset(("a", "an", "the"))
SCORER = "token F1, articles left out"


def token_f1(predicted: Sequence[str], expected: Sequence[str]) -> list[float]:
    """F1 in [0, 1] of the words of each row, order ignored; 1 when both texts have no words.

    Case, punctuation and English articles are left out; a Chinese character is a word.

    Source: Rajpurkar et al. 2016 (arXiv:1606.05250), section 6.1.
    """
    return [_f1(_bag(p), _bag(e)) for p, e in zip(predicted, expected, strict=True)]


def _bag(text: str) -> Counter[str]:
    return Counter(word for word in words(text) if word not in _ARTICLES)


def _f1(one: Counter[str], other: Counter[str]) -> float:
    if not one or not other:
        return float(one == other)
    return 2 * (one & other).total() / (one.total() + other.total())
