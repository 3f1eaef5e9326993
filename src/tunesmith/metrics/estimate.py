"""A number that cannot be separated from its interval, its number of rows, its unit and its scorer.

Letters of shapes: N rows, R resamples, K sums kept of each row.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import DataError

Floats = NDArray[np.float64]
OfSums = Callable[[Floats], Floats]
"""Sums over rows (R, K) -> the metric of each resample (R,)."""

_COUNTS_AT_ONCE = 4_000_000
"""Row counts drawn in one piece (32 MB); pieces do not change the stream, so not the result."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured value with the ends of its interval; ``low <= value <= high`` always."""

    value: float
    low: float
    high: float
    n: int
    """Rows (or pairs, or trials) it rests on."""
    unit: str
    scorer: str
    """Signature of what scored: library, version, tokenizer."""

    def __str__(self) -> str:
        """For example ``0.500 share [0.095, 0.905], n=2``."""
        return f"{self.value:.3f} {self.unit} [{self.low:.3f}, {self.high:.3f}], n={self.n}"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return dataclasses.asdict(self)


def from_dict(body: Mapping[str, Any]) -> Estimate:
    """The estimate that `Estimate.as_dict` described; other keys are ignored."""
    return Estimate(**{field.name: body[field.name] for field in dataclasses.fields(Estimate)})


def proportion(
    successes: float, n: int, *, confidence: float = 0.95, unit: str = "share", scorer: str = ""
) -> Estimate:
    """Share of ``n`` trials that succeeded, with the Wilson score interval.

    ``successes`` may be fractional: the mean of values in [0, 1] varies at most as much as a
    share does, so the interval is then too wide rather than too narrow.

    Source: Wilson 1927; Newcombe 1998 (Statistics in Medicine 17:857), method 3.
    """
    _need_rows(n)
    share = successes / n
    low, high = _wilson(share, n, confidence)
    # For n of n rounding puts the upper end a last bit below the value itself.
    return Estimate(share, min(low, share), max(high, share), n, unit, scorer)


def bootstrap_mean(
    values: Sequence[float],
    *,
    seed: int,
    resamples: int = 1000,
    confidence: float = 0.95,
    unit: str = "share",
    scorer: str = "",
) -> Estimate:
    """Mean of one value for each row, with the percentile bootstrap interval over rows."""
    array = np.asarray(values, dtype=np.float64)
    sums = np.column_stack([array, np.ones_like(array)])
    return bootstrap(
        sums, ratio, seed=seed, resamples=resamples, confidence=confidence, unit=unit, scorer=scorer
    )


def bootstrap(
    sums_NK: Floats,
    of_sums: OfSums,
    *,
    seed: int,
    resamples: int = 1000,
    confidence: float = 0.95,
    unit: str,
    scorer: str,
) -> Estimate:
    """A metric of sums over rows, with the percentile bootstrap interval over rows.

    Everything scored here is a function of sums over rows (a mean, a perplexity, corpus BLEU),
    so a resample is a product of row counts with the sums and no row is scored twice. An end
    that falls on the wrong side of the value is moved to it.

    Source: Efron 1979; Koehn 2004 (W04-3250) for corpus BLEU.
    """
    _need_rows(len(sums_NK))
    value = float(of_sums(sums_NK.sum(axis=0, keepdims=True))[0])
    drawn_R = of_sums(resampled(sums_NK, resamples=resamples, seed=seed))
    tail = (1.0 - confidence) / 2.0
    low, high = (float(end) for end in np.quantile(drawn_R, [tail, 1.0 - tail]))
    return Estimate(value, min(low, value), max(high, value), len(sums_NK), unit, scorer)


def resampled(sums_NK: Floats, *, resamples: int, seed: int) -> Floats:
    """Sums over ``resamples`` draws of N rows with replacement, shape (R, K)."""
    n = len(sums_NK)
    generator = np.random.default_rng(seed)
    parts = []
    step = max(1, _COUNTS_AT_ONCE // n)
    for start in range(0, resamples, step):
        counts_RN = generator.multinomial(n, np.full(n, 1.0 / n), min(step, resamples - start))
        parts.append(counts_RN @ sums_NK)
    return np.concatenate(parts)


def ratio(sums_RK: Floats) -> Floats:
    """First sum over the second; 0 where the second is 0. With ones as second it is the mean."""
    top_R, bottom_R = sums_RK[:, 0], sums_RK[:, 1]
    return np.divide(top_R, bottom_R, out=np.zeros_like(top_R), where=bottom_R != 0)


def paired_difference(
    before: Sequence[float],
    after: Sequence[float],
    *,
    seed: int,
    resamples: int = 1000,
    confidence: float = 0.95,
    unit: str = "share",
    scorer: str = "",
) -> Estimate:
    """Mean of ``after - before`` of the same rows, with the percentile bootstrap over rows."""
    pairs = zip(before, after, strict=True)
    return bootstrap_mean(
        [b - a for a, b in pairs],
        seed=seed, resamples=resamples, confidence=confidence, unit=unit, scorer=scorer,
    )  # fmt: skip


def paired_shares(
    before: Sequence[float],
    after: Sequence[float],
    *,
    confidence: float = 0.95,
    unit: str = "share",
    scorer: str = "",
) -> Estimate:
    """Share after minus share before, of the same rows; each value is 0 or 1.

    A bootstrap of 12 equal pairs says exactly zero; this interval says what 12 pairs can say.

    Source: Newcombe 1998 (Statistics in Medicine 17:2635), method 10: Wilson intervals of both
    shares, joined by the square-and-add rule with a corrected correlation.
    """
    n = len(before)
    _need_rows(n)
    both = sum(1 for a, b in zip(before, after, strict=True) if a and b)
    share_a, share_b = sum(before) / n, sum(after) / n
    low_a, high_a = _wilson(share_a, n, confidence)
    low_b, high_b = _wilson(share_b, n, confidence)
    phi = _correlation(both, n * share_a, n * share_b, n)
    difference = share_b - share_a
    low = difference - _joined(share_b - low_b, high_a - share_a, phi)
    high = difference + _joined(high_b - share_b, share_a - low_a, phi)
    return Estimate(difference, max(low, -1.0), min(high, 1.0), n, unit, scorer)


def _wilson(share: float, n: int, confidence: float) -> tuple[float, float]:
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def _correlation(both: float, ones_a: float, ones_b: float, n: int) -> float:
    """Phi of the two-by-two table; a positive numerator is reduced by n/2, not below 0."""
    only_a, only_b = ones_a - both, ones_b - both
    neither = n - both - only_a - only_b
    margins = ones_a * (n - ones_a) * ones_b * (n - ones_b)
    if margins <= 0:
        return 0.0
    numerator = both * neither - only_a * only_b
    if numerator > 0:
        numerator = max(numerator - n / 2, 0.0)
    return numerator / math.sqrt(margins)


def _joined(one: float, other: float, phi: float) -> float:
    return math.sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))


def _need_rows(n: int) -> None:
    if n < 1:
        raise DataError(
            "there are no rows to score",
            why="a number over no rows has no value and no interval",
            fix="check which step dropped every row: `tunesmith report` shows rows in and out",
            code="no-rows",
        )
