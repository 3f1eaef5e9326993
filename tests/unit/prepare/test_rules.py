"""The rules of preparation, one by one: repetition, duplicates, repair, length, words, histogram."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.prepare.card import histogram
from tunesmith.prepare.config import LengthConfig, RepetitionConfig
from tunesmith.prepare.duplicates import fingerprint, normal_form, row_fingerprint
from tunesmith.prepare.operators import first_of_each, length
from tunesmith.prepare.repair import repair
from tunesmith.prepare.repetition import (
    duplicate_lines,
    duplicate_n_grams,
    repetition,
    top_n_gram,
)
from tunesmith.prepare.words import main_script, words
from tunesmith.records.conversation import Conversation, Message

Make = Callable[..., Conversation]
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)


def test_words_are_cut_at_spaces_or_at_ideographs() -> None:
    assert words("He said: no.", "en") == ["He", "said:", "no."]
    assert words("他说GPT-4不行。", "zh") == ["他", "说", "GPT-4", "不", "行", "。"]


def test_the_main_script_is_that_of_most_letters() -> None:
    assert [main_script(t) for t in ("Hello 你", "你好 ok", "Привет", "12 + 3")] == [
        "Latin",
        "Chinese",
        "other",
        "none",
    ]


def test_repetition_by_hand() -> None:
    # Lines a, b, a: one of three repeats, one character of three.
    assert duplicate_lines("a\nb\n\na\n") == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    # "ab c" comes twice in "ab c ab c d": 2 x 3 of 7 characters.
    assert top_n_gram(["ab", "c", "ab", "c", "d"], 2) == pytest.approx(6 / 7)
    # Its second coming covers 3 of 7.
    assert duplicate_n_grams(["ab", "c", "ab", "c", "d"], 2) == pytest.approx(3 / 7)


def test_the_repetition_of_nothing_is_nothing() -> None:
    assert duplicate_lines(" \n") == (0.0, 0.0)
    assert top_n_gram([], 2) == duplicate_n_grams([], 5) == 0.0


@given(st.lists(st.sampled_from("abcde"), max_size=80), st.integers(2, 6))
def test_shares_of_repetition_lie_between_0_and_1(cut: list[str], n: int) -> None:
    assert 0 <= duplicate_n_grams(cut, n) <= 1
    assert 0 <= top_n_gram(cut, n) <= 1
    assert all(0 <= share <= 1 for share in duplicate_lines("\n".join(cut)))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no " * 49, None),
        ("yes no " * 40, "top 2-gram > 0.35"),
        ("\n".join(["- item"] * 30), "duplicate lines > 0.5"),
        (" ".join(f"word{i}" for i in range(200)), None),
        ((" ".join(f"w{i}" for i in range(30)) + " ") * 4, "duplicate 5-grams > 0.4"),
    ],
)
def test_a_loop_is_dropped_and_a_list_is_kept(text: str, reason: str | None) -> None:
    assert repetition(RepetitionConfig(), "en")(text) == reason


def test_a_chinese_loop_is_dropped_too() -> None:
    rule = repetition(RepetitionConfig(), "zh")
    assert rule("我不知道这个问题的答案。" * 8) is not None
    assert rule("".join(chr(0x4E00 + i) for i in range(200))) is None


@given(TEXT)
def test_the_normal_form_of_a_normal_form_is_itself_in_case_and_spaces(text: str) -> None:
    once = normal_form(text)
    assert once == " ".join(once.split())
    assert normal_form(f"  {text}\n") == once


def test_rows_equal_but_for_case_width_and_punctuation_are_duplicates(conversation: Make) -> None:
    rows = [
        conversation("What is 2 + 2?", "４."),
        conversation("what is 2+2", "4"),  # Other words: "2+2" is one.
        conversation("WHAT  is 2 + 2 ？", "4"),
        conversation("What is 2 - 2?", "4"),
        conversation("4", "What is 2 + 2?"),
    ]
    marks = np.frombuffer(b"".join(map(row_fingerprint, rows)), dtype="V16")
    assert first_of_each(marks).tolist() == [False, False, True, False, False]


@given(st.lists(st.binary(min_size=16, max_size=16) | st.sampled_from([b"a" * 16, bytes(16)])))
def test_of_equal_marks_the_first_stays(marks: list[bytes]) -> None:
    is_gone = first_of_each(np.frombuffer(b"".join(marks), dtype="V16"))
    assert [m for m, gone in zip(marks, is_gone, strict=True) if not gone] == list(
        dict.fromkeys(marks)
    )


def test_roles_and_turns_are_part_of_a_fingerprint() -> None:
    one = [Message("user", "a b")]
    two = [Message("user", "a"), Message("user", "b")]
    other = [Message("assistant", "a b")]
    assert len({fingerprint(turns) for turns in (one, two, other)}) == 3


@pytest.mark.parametrize(
    ("garbled", "mended"),
    [
        ("schÃ¶n", "schön"),
        ("donâ€™t", "don’t"),
        ("a\r\nb\x00\x07 \n", "a\nb"),
        ("\n\n    return x\n", "    return x"),
        ("“你好”，ＡＢＣ！", "“你好”，ＡＢＣ！"),
        ("use &amp; in HTML", "use &amp; in HTML"),
        ("e\u0301", "é"),
        ("print('ok')", "print('ok')"),
    ],
)
def test_faults_are_mended_and_nothing_else(garbled: str, mended: str) -> None:
    assert repair(garbled) == mended


@given(TEXT)
def test_mending_twice_is_mending_once(text: str) -> None:
    assert repair(repair(text)) == repair(text)


def test_length_bounds_include_their_ends(conversation: Make) -> None:
    rule = length(LengthConfig(prompt_at_least=2, prompt_at_most=3, answer_at_most=2), "en")
    assert rule(conversation("a b", "c d")) is None
    assert rule(conversation("a b c", "c")) is None
    assert rule(conversation("a", "c")) == "prompt < 2 words"
    assert rule(conversation("a b c d", "c")) == "prompt > 3 words"
    assert rule(conversation("a b", "c d e")) == "answer > 2 words"
    assert rule(conversation("a b", " ")) == "answer < 1 words"


def test_one_word_is_a_whole_answer_by_default(conversation: Make) -> None:
    rule = length(LengthConfig(), "en")
    assert rule(conversation("Allergies?", "None.")) is None
    assert rule(conversation("42 * 2", "84")) is None


@given(st.dictionaries(st.integers(0, 100_000), st.integers(1, 5), max_size=20))
def test_a_histogram_counts_every_row_in_at_most_15_bars(counts: dict[int, int]) -> None:
    drawn = histogram(counts)
    assert sum(drawn["counts"]) == sum(counts.values())
    assert len(drawn["edges"]) == len(drawn["counts"]) + 1 <= 17
    assert drawn["edges"][-1] > max(counts, default=0) >= 0
