"""Exact one-sided bounds: of a rate from a count, of a quantile from order statistics.

No normal approximation: rare events are exactly where it fails. n trials, k of them bad.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence


def rate_at_most(k: int, n: int, *, confidence: float = 0.95) -> float:
    """Upper bound of a rate after ``k`` bad of ``n``; 1 when ``n`` is 0.

    The largest rate under which so few bad ones still have probability ``1 - confidence``.
    Source: Clopper and Pearson 1934 (Biometrika 26).
    """
    if k >= n:
        return 1.0
    return _root(lambda rate: _at_most(k, n, rate), 1 - confidence)


def rate_at_least(k: int, n: int, *, confidence: float = 0.95) -> float:
    """Lower bound of a rate after ``k`` bad of ``n``; 0 when ``k`` is 0. Source: as `rate_at_most`."""
    if k == 0:
        return 0.0
    return _root(lambda rate: _at_most(k - 1, n, rate), confidence)


def trials_needed(rate: float, *, bad: int = 0, confidence: float = 0.95) -> int:
    """Fewest trials that, with ``bad`` bad ones, prove a rate of at most ``rate``."""
    low, high = bad, max(bad + 1, 16)
    while rate_at_most(bad, high, confidence=confidence) > rate:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if rate_at_most(bad, middle, confidence=confidence) > rate:
            low = middle
        else:
            high = middle
    return high


def quantile_at_most(
    values: Sequence[float], share: float, *, confidence: float = 0.95
) -> float | None:
    """Upper bound of the ``share`` quantile of what ``values`` were drawn from; None: too few.

    The smallest order statistic that exceeds the quantile with probability ``confidence``,
    whatever the distribution. Source: David and Nagaraja 2003 (Order Statistics), section 7.1.
    """
    n = len(values)
    if n == 0 or share**n > 1 - confidence:
        return None
    low, high = 0, n
    while high - low > 1:
        middle = (low + high) // 2
        if _at_most(middle - 1, n, share) >= confidence:
            high = middle
        else:
            low = middle
    return sorted(values)[high - 1]


def quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least ``share`` of all do not exceed; None when there are none."""
    if not values:
        return None
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


def _at_most(k: int, n: int, rate: float) -> float:
    """Probability of at most ``k`` bad among ``n``, each bad with probability ``rate``."""
    if rate <= 0 or k >= n:
        return 1.0
    if rate >= 1:
        return 0.0
    upper = k > n * rate
    # the shorter tail is summed: its terms are small, and adding them loses nothing
    terms = range(k + 1, n + 1) if upper else range(k + 1)
    total = math.fsum(math.exp(_log_probability(i, n, rate)) for i in terms)
    return 1 - total if upper else total


def _log_probability(i: int, n: int, rate: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1)
    return ways + i * math.log(rate) + (n - i) * math.log1p(-rate)


def _root(falling: Callable[[float], float], target: float) -> float:
    """The rate at which a falling function of the rate passes ``target``, by halving."""
    low, high = 0.0, 1.0
    for _ in range(100):
        middle = (low + high) / 2
        if falling(middle) > target:
            low = middle
        else:
            high = middle
    return (low + high) / 2
