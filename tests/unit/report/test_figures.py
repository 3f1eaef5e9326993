from __future__ import annotations

import pytest

from tunesmith.report import figures


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0804, "0.080"), (0.236, "0.236"), (0, "0.000"), (0.0001, "1.0e−04"), (-0.5, "−0.500"),
     (38.42, "38.42"), (471, "471"), (17500, "17,500"), (118.2, "118"), (None, "—"),
     (float("nan"), "—"), (float("inf"), "—"), (9.9996, "10.000")],
)  # fmt: skip
def test_a_number_has_as_many_digits_as_help(value: float | None, text: str) -> None:
    assert figures.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.412, "412 ms"), (0, "0 ms"), (3.2, "3.2 s"), (42.0, "42 s"), (59.9, "60 s"),
     (228.4, "3 min 48 s"), (7500, "2 h 05 min"), (None, "—"), (0.0001, "<1 ms")],
)  # fmt: skip
def test_a_duration_is_told_in_its_natural_unit(seconds: float | None, text: str) -> None:
    assert figures.duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (144_811_456, "138 MiB"), (6_012_954_214, "5.60 GiB")],
)  # fmt: skip
def test_bytes_have_three_digits(count: int, text: str) -> None:
    assert figures.size(count) == text


@pytest.mark.parametrize(
    ("raw", "told"),
    [("the loss fell", "The loss fell."), ("q8_0 is smaller", "q8_0 is smaller."), ("", ""),
     ("ROUGE-1 rose", "ROUGE-1 rose."), ("Done!", "Done!"), ("rouge1: gain 0.1", "rouge1: gain 0.1.")],
)  # fmt: skip
def test_a_sentence_begins_large_and_ends_with_a_stop(raw: str, told: str) -> None:
    assert figures.sentence(raw) == told


def test_a_difference_always_has_its_sign() -> None:
    assert [figures.signed(value) for value in (0.1, -0.1, 0.0)] == ["+0.100", "−0.100", "+0.000"]


def test_metric_names_are_those_of_the_field() -> None:
    assert figures.title("rouge1") == "ROUGE-1"
    assert figures.title("rougeL 3-shot") == "ROUGE-L 3-shot"
    assert figures.title("retention_perplexity") == "retention perplexity"
    assert figures.title("parity q8_0") == "parity q8_0"
