"""Exact match, and the normalisation to apply before it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from tunesmith.metrics.estimate import Estimate, proportion


def exact_match(predicted: Sequence[str], expected: Sequence[str]) -> Estimate:
    """Share of predictions equal to the expected answer, character by character.

    Normalise (case, spaces, "####") before calling: a metric that normalises hides what it scored.
    """
    hits = sum(p == e for p, e in zip(predicted, expected, strict=True))
    return proportion(hits, len(expected), scorer="exact match")


def normalise(text: str) -> str:
    """NFKC, lower case, single spaces, no full stop at the end; what follows ``####`` if it is there.

    The mark ``####`` stands before the final answer in GSM8K (Cobbe et al. 2021, arXiv:2110.14168).
    """
    plain = unicodedata.normalize("NFKC", text).lower().rsplit("####", 1)[-1]
    return " ".join(plain.split()).rstrip(".。 ")
