"""Sums by row: estimates and paired differences of every statistic."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.table import resolve
from tunesmith.metrics.bleu import bleu, chrf
from tunesmith.metrics.perplexity import perplexity
from tunesmith.metrics.row_scores import STATISTICS, RowScores, difference, means, shares

SAID = ["the cat sat on the mat", "it rains today in Rome", "nothing at all of this sort"]
MEANT = ["the cat is on the mat", "it rains today in Rome", "something else was expected here"]


def every_statistic() -> dict[str, RowScores]:
    return {
        "share": shares([True, False, True], scorer="s"),
        "ratio": means([0.2, 0.4, 0.9], unit="F1", scorer="s"),
        "perplexity": perplexity([3.0, 5.0, 2.0], [2, 4, 1]),
        "bleu": bleu(SAID, MEANT, language="en"),
        "chrf": chrf(SAID, MEANT),
    }


def test_every_statistic_of_the_table_is_tried_here() -> None:
    assert set(every_statistic()) == set(STATISTICS)


@pytest.mark.parametrize("name", STATISTICS)
def test_the_table_names_functions_that_exist(name: str) -> None:
    assert callable(resolve(STATISTICS[name]))


@pytest.mark.parametrize("name", STATISTICS)
def test_a_metric_differs_from_itself_by_nothing(name: str) -> None:
    kept = every_statistic()[name]
    assert difference(kept, kept, seed=1, resamples=100).value == 0


@pytest.mark.parametrize("name", STATISTICS)
def test_the_order_of_the_rows_does_not_change_the_value(name: str) -> None:
    kept = every_statistic()[name]
    turned = kept.take([2, 0, 1])
    one, other = kept.estimate(seed=1, resamples=100), turned.estimate(seed=1, resamples=100)
    assert math.isclose(one.value, other.value, rel_tol=1e-12)


@pytest.mark.parametrize("name", STATISTICS)
def test_an_estimate_lies_in_its_interval(name: str) -> None:
    estimate = every_statistic()[name].estimate(seed=1, resamples=100)
    assert estimate.low <= estimate.value <= estimate.high
    assert estimate.n == 3


def test_equal_rows_do_not_pretend_to_be_certain() -> None:
    estimate = means([0.0] * 30, unit="F1", scorer="").estimate(seed=1)
    assert (estimate.value, estimate.low) == (0, 0)
    assert math.isclose(estimate.high, 0.11351, abs_tol=1e-5)


def test_a_relative_difference_is_a_share_of_the_value_before() -> None:
    before, after = perplexity([2.0, 2.0], [1, 1]), perplexity([2.5, 2.5], [1, 1])
    change = difference(before, after, seed=1, resamples=100, relative=True)
    assert math.isclose(change.value, math.exp(0.5) - 1, rel_tol=1e-12)
    assert change.unit == "relative"


@given(st.lists(st.tuples(st.floats(0.01, 50), st.integers(1, 20)), min_size=1, max_size=12))
def test_perplexity_is_exp_of_all_nats_over_all_tokens(rows: list[tuple[float, int]]) -> None:
    nats, tokens = [row[0] for row in rows], [row[1] for row in rows]
    value = perplexity(nats, tokens).estimate(seed=1, resamples=100).value
    assert math.isclose(value, math.exp(sum(nats) / sum(tokens)), rel_tol=1e-9)


def test_none_of_a_few_items_is_not_certain_to_be_none() -> None:
    kept = RowScores("ratio", np.array([[0.0, 3.0], [0.0, 1.0], [0.0, 0.0]]), "share", "", "lower")
    estimate = kept.estimate(seed=1, resamples=100)
    assert (estimate.value, estimate.low, estimate.n) == (0, 0, 2)
    assert estimate.high == pytest.approx(0.6576, abs=1e-4)


def test_one_row_of_less_than_a_bit_a_byte_is_no_share() -> None:
    kept = RowScores("ratio", np.array([[80.0, 100.0]]), "bits/byte", "", "lower")
    estimate = kept.estimate(seed=1, resamples=100)
    assert (estimate.value, estimate.low, estimate.high) == (0.8, 0.8, 0.8)


def test_a_ratio_of_nothing_is_zero_and_could_be_anything() -> None:
    kept = RowScores("ratio", np.zeros((3, 2)), "share", "", "lower")
    estimate = kept.estimate(seed=1, resamples=100)
    assert (estimate.value, estimate.low, estimate.high) == (0, 0, 1)
