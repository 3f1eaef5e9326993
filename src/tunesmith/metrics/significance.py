"""Tests of two systems on the same rows."""

from __future__ import annotations

from collections.abc import Sequence

from scipy.stats import binomtest


def mcnemar(only_before: int, only_after: int) -> float:
    """Exact two-sided p value from the rows that only one of the two got right; 1 without any.

    Source: McNemar 1947 (Psychometrika 12:153), with the binomial distribution, not chi-square.
    """
    discordant = only_before + only_after
    return 1.0 if discordant == 0 else float(binomtest(only_before, discordant).pvalue)


def mcnemar_of_rows(before: Sequence[float], after: Sequence[float]) -> float:
    """The same from one 0 or 1 for each row."""
    pairs = list(zip(before, after, strict=True))
    return mcnemar(sum(a > b for a, b in pairs), sum(b > a for a, b in pairs))
