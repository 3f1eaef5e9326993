"""Exact bounds against scipy 1.17 (`scipy.stats.beta.ppf`) and the counts known from the field."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom

from tunesmith.metrics.exact_bounds import (
    quantile_at_most,
    rate_at_least,
    rate_at_most,
    trials_needed,
)


@given(n=st.integers(1, 3000), share=st.floats(0, 1), confidence=st.sampled_from([0.9, 0.95, 0.99]))
def test_bounds_of_a_rate_are_those_of_clopper_and_pearson(
    n: int, share: float, confidence: float
) -> None:
    k = int(share * n)
    upper = 1.0 if k == n else beta.ppf(confidence, k + 1, n - k)
    lower = 0.0 if k == 0 else beta.ppf(1 - confidence, k, n - k + 1)
    assert rate_at_most(k, n, confidence=confidence) == pytest.approx(upper, rel=1e-8)
    assert rate_at_least(k, n, confidence=confidence) == pytest.approx(lower, rel=1e-8)


def test_requests_needed_are_2995_without_a_bad_one_and_4742_with_one() -> None:
    assert [trials_needed(0.001), trials_needed(0.001, bad=1), trials_needed(0.01)] == [
        2995, 4742, 299,
    ]  # fmt: skip


@given(n=st.integers(1, 1500), share=st.sampled_from([0.5, 0.95, 0.99]))
def test_the_bound_of_a_quantile_is_the_first_order_statistic_that_covers_it(
    n: int, share: float
) -> None:
    found = quantile_at_most([float(i) for i in range(1, n + 1)], share)
    covering = [r for r in range(1, n + 1) if binom.cdf(r - 1, n, share) >= 0.95]
    assert found == (min(covering) if covering else None)


def test_a_p99_has_a_bound_from_299_values_on() -> None:
    assert quantile_at_most([1.0] * 298, 0.99) is None
    assert quantile_at_most([1.0] * 299, 0.99) == 1.0
