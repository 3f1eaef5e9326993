"""Numbers in any form, unsupported content, verbatim runs, membership, wins."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.metrics.membership import membership
from tunesmith.metrics.numerals import in_any_form, in_digits
from tunesmith.metrics.pass_at_k import mean_pass_at_k, pass_at_k
from tunesmith.metrics.significance import mcnemar, mcnemar_of_rows
from tunesmith.metrics.unsupported import invented_numbers, unsupported
from tunesmith.metrics.verbatim import longest_run
from tunesmith.metrics.win_rate import win_rate


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("I'm twenty six.", "26"), ("one twenty over eighty", "120"), ("one twenty over eighty", "80"),
        ("nineteen eighty four", "1984"), ("two thousand nine", "2009"), ("two thousand nine", "9"),
        ("two hundred fifty three thousand", "253000"), ("the tenth of January", "10"),
        ("the tenth of January", "1"), ("five five five one two", "55512"), ("二十六岁", "26"),
        ("一百零五", "105"), ("二〇〇九年", "2009"), ("三万五千", "35000"), ("十五", "15"),
        ("１２０", "120"), ("1,000 mg", "1000"), ("007.50", "7.5"),
    ],
)  # fmt: skip
def test_a_number_is_found_in_the_form_it_is_written(text: str, number: str) -> None:
    assert number in in_any_form(text)


@given(st.integers(0, 10**9))
def test_a_number_in_digits_is_found_with_and_without_commas(number: int) -> None:
    assert in_digits(f"a {number} b {number:,} c") == {str(number)}


def test_marks_of_a_list_are_no_numbers() -> None:
    assert in_digits("1. rest\n2) 500 mg") == {"500"}


def test_only_what_the_prompt_does_not_hold_is_unsupported() -> None:
    prompt = "Doctor Luna: A C T scan of your knee, twenty six, on Monday?"
    kept = unsupported([prompt] * 3, [
        "He is 26; a CT scan of the knee on Monday.",
        "He saw Luna and Smith, aged 27.",
        "Nothing is said.",
    ])  # fmt: skip
    assert kept.sums.tolist() == [[0, 2], [2, 3], [0, 0]]
    assert math.isclose(kept.estimate(seed=1, resamples=100).value, 2 / 5)


def test_a_word_that_begins_a_sentence_is_no_name() -> None:
    assert unsupported(["x"], ["Patient rests. Then Luna came. \nBed rest: Yes"]).sums[0, 1] == 1


@given(st.text(alphabet="ab1 二", max_size=20), st.text(alphabet="ab1 二", max_size=20))
def test_an_answer_within_the_prompt_invents_nothing(before: str, after: str) -> None:
    answer = "He is 17, weight 70.5."
    assert invented_numbers(f"{before} {answer} {after}", answer) == set()


def test_a_run_copied_from_the_prompt_is_not_remembered() -> None:
    original = "the patient was seen on monday by doctor luna"
    assert longest_run(original, original, "nothing of it") == 9
    assert longest_run(original, original, f"say: {original}") == 0
    assert longest_run("seen on monday, Doctor Luna!", original, "seen on tuesday") == 3


def test_membership_is_one_half_when_losses_are_equal_and_one_when_they_are_apart() -> None:
    assert membership([2.0, 2.0], [2.0, 2.0, 2.0], seed=1).value == 0.5
    assert membership([0.1, 0.2], [2.0, 3.0], seed=1).value == 1.0
    found = membership([1.0, 2.0, 3.0], [1.5, 2.5, 3.5], seed=1)
    assert math.isclose(found.value, 6 / 9)
    assert found.low <= found.value <= found.high


def test_a_tie_counts_half() -> None:
    estimate = win_rate([1.0, 1.0, 1.0, 1.0], [2.0, 1.0, 0.0, 2.0], better="higher")
    assert estimate.value == 2.5 / 4
    assert win_rate([1.0], [2.0], better="lower").value == 0


def test_mcnemar_of_rows_counts_the_rows_that_only_one_got_right() -> None:
    before = [1.0] * 5 + [0.0] * 15 + [1.0] * 70 + [0.0] * 10
    after = [0.0] * 5 + [1.0] * 15 + [1.0] * 70 + [0.0] * 10
    assert mcnemar_of_rows(before, after) == mcnemar(5, 15)
    assert mcnemar(0, 0) == 1.0


@given(st.integers(1, 30), st.data())
def test_pass_at_k_grows_with_k_and_is_the_share_at_one(n: int, data: st.DataObject) -> None:
    c = data.draw(st.integers(0, n))
    values = [pass_at_k(n, c, k) for k in range(1, n + 1)]
    assert math.isclose(values[0], c / n, abs_tol=1e-12)
    assert values == sorted(values)
    assert values[-1] == float(c > 0)


def test_pass_at_k_is_averaged_over_problems() -> None:
    estimate = mean_pass_at_k([10, 10], [10, 0], 1, seed=1)
    assert (estimate.value, estimate.n) == (0.5, 2)
