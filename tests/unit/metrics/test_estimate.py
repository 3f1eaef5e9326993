"""Intervals: known values, and laws that hold for any data."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.errors import DataError
from tunesmith.metrics.estimate import (
    Estimate,
    bootstrap_mean,
    from_dict,
    paired_difference,
    paired_shares,
    proportion,
    resampled,
)

VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30)
BITS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


def test_an_estimate_prints_value_unit_interval_and_rows() -> None:
    assert str(proportion(1, 2)) == "0.500 share [0.095, 0.905], n=2"


def test_an_estimate_comes_back_from_its_plain_values() -> None:
    estimate = proportion(3, 7, scorer="exact match")
    assert from_dict({**estimate.as_dict(), "better": "higher"}) == estimate


def test_the_wilson_interval_is_newcombes() -> None:
    estimate = proportion(81, 263)
    assert (round(estimate.low, 4), round(estimate.high, 4)) == (0.2553, 0.3662)


def test_none_of_thirty_still_has_an_upper_end() -> None:
    assert math.isclose(proportion(0, 30).high, 0.11351, abs_tol=1e-5)


@given(st.integers(1, 500), st.data())
def test_a_share_lies_in_its_interval_and_the_interval_in_0_to_1(
    n: int, data: st.DataObject
) -> None:
    hits = data.draw(st.integers(0, n))
    estimate = proportion(hits, n)
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


@given(st.integers(1, 300), st.data())
def test_failures_have_the_mirrored_interval_of_successes(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    one, other = proportion(hits, n), proportion(n - hits, n)
    assert math.isclose(one.low, 1 - other.high, abs_tol=1e-12)


def test_no_rows_have_no_value() -> None:
    with pytest.raises(DataError) as raised:
        proportion(0, 0)
    assert raised.value.code == "no-rows"


@given(VALUES)
def test_a_bootstrap_mean_lies_in_its_interval_and_the_interval_within_the_data(
    values: list[float],
) -> None:
    estimate = bootstrap_mean(values, seed=1, resamples=100)
    assert estimate.low <= estimate.value <= estimate.high
    assert min(values) - 1e-9 <= estimate.low
    assert estimate.high <= max(values) + 1e-9


def test_a_bootstrap_repeats_with_its_seed_and_moves_with_another() -> None:
    values = [0.1, 0.4, 0.2, 0.9, 0.5]
    assert bootstrap_mean(values, seed=3) == bootstrap_mean(values, seed=3)
    assert bootstrap_mean(values, seed=3) != bootstrap_mean(values, seed=4)


def test_pieces_of_the_draw_do_not_change_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = np.arange(10.0).reshape(5, 2)
    whole = resampled(sums, resamples=17, seed=5)
    monkeypatch.setattr("tunesmith.metrics.estimate._COUNTS_AT_ONCE", 15)
    assert np.array_equal(resampled(sums, resamples=17, seed=5), whole)


def test_the_bootstrap_error_is_that_of_the_mean() -> None:
    values = list(np.random.default_rng(0).normal(size=400))
    estimate = bootstrap_mean(values, seed=1, resamples=4000)
    half = 1.96 * float(np.std(values)) / math.sqrt(400)
    assert math.isclose((estimate.high - estimate.low) / 2, half, rel_tol=0.05)


@given(VALUES)
def test_a_model_compared_with_itself_differs_by_nothing(values: list[float]) -> None:
    estimate = paired_difference(values, values, seed=1, resamples=100)
    assert (estimate.value, estimate.low, estimate.high) == (0, 0, 0)


def test_pairing_removes_what_rows_have_in_common() -> None:
    rows = [i / 50 for i in range(50)]
    better = [value + 0.01 + 0.001 * (i % 3) for i, value in enumerate(rows)]
    assert paired_difference(rows, better, seed=1).low > 0.009


@given(BITS)
def test_paired_shares_hold_their_value_and_stay_within_minus_1_to_1(
    pairs: list[tuple[bool, bool]],
) -> None:
    before, after = [float(a) for a, _ in pairs], [float(b) for _, b in pairs]
    estimate = paired_shares(before, after)
    assert -1 <= estimate.low <= estimate.value <= estimate.high <= 1


@given(BITS)
def test_paired_shares_turn_round_when_the_sides_are_changed(
    pairs: list[tuple[bool, bool]],
) -> None:
    before, after = [float(a) for a, _ in pairs], [float(b) for _, b in pairs]
    one, other = paired_shares(before, after), paired_shares(after, before)
    assert math.isclose(one.low, -other.high, abs_tol=1e-12)
    assert math.isclose(one.high, -other.low, abs_tol=1e-12)


def test_twelve_equal_pairs_do_not_prove_equality() -> None:
    estimate = paired_shares([1.0] * 12, [1.0] * 12)
    assert estimate.value == 0
    assert estimate.low < -0.2
    assert estimate.high > 0.2


def test_paired_shares_cover_the_truth_nineteen_times_in_twenty() -> None:
    draw = np.random.default_rng(4)
    covered = 0
    for _ in range(1000):
        easy = draw.random(30)
        before = (easy < 0.6).astype(float)
        flips = draw.random(30) < 0.2
        after = np.where(flips, draw.random(30) < 0.9, before).astype(float)
        truth = 0.2 * (0.9 - 0.6)
        estimate = paired_shares(before.tolist(), after.tolist())
        covered += estimate.low <= truth <= estimate.high
    assert 0.93 <= covered / 1000 <= 0.99


def test_an_estimate_is_a_value_that_cannot_be_edited() -> None:
    estimate = Estimate(0.5, 0.4, 0.6, 10, "share", "")
    with pytest.raises(AttributeError):
        estimate.value = 1.0  # type: ignore[misc]
