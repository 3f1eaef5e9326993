"""ROUGE, BLEU, chrF, F1, exact match on texts: bounds, identity, both languages."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.metrics.bleu import bleu, chrf
from tunesmith.metrics.exact_match import exact_match, normalise
from tunesmith.metrics.f1 import token_f1
from tunesmith.metrics.perplexity import bits_per_byte
from tunesmith.metrics.rouge import NAMES, rouge, signature
from tunesmith.metrics.words import Language, is_mostly_ideographs, words

WORDS = st.lists(
    st.sampled_from(["cat", "dog", "mat", "rain", "12", "血压", "正常", "今天", "BP"]), max_size=8
)
TEXT = WORDS.map(" ".join)


@given(TEXT, TEXT, st.sampled_from(("en", "zh")))
def test_rouge_is_within_0_to_1_and_symmetric(one: str, other: str, language: Language) -> None:
    there, back = rouge([one], [other], language=language), rouge([other], [one], language=language)
    for name in NAMES:
        assert 0 <= there[name][0] <= 1
        assert math.isclose(there[name][0], back[name][0])


@given(TEXT)
def test_a_text_has_f1_1_with_itself(text: str) -> None:
    assert token_f1([text], [text]) == [1.0]


@given(TEXT, TEXT)
def test_token_f1_is_within_0_to_1_and_symmetric(one: str, other: str) -> None:
    value = token_f1([one], [other])[0]
    assert 0 <= value <= 1
    assert value == token_f1([other], [one])[0]


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4))
def test_bleu_and_chrf_are_within_0_to_100(pairs: list[tuple[str, str]]) -> None:
    said, meant = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    for kept in (bleu(said, meant, language="en"), chrf(said, meant)):
        value = kept.estimate(seed=1, resamples=100).value
        assert 0 <= value <= 100 + 1e-9


def test_chinese_is_scored_by_characters() -> None:
    scores = rouge(["今天天气好"], ["今天天气很好"], language="zh")
    assert math.isclose(scores["rouge1"][0], 10 / 11)
    assert rouge(["今天天气好"], ["今天天气很好"], language="en")["rouge1"] == [0.0]


def test_chinese_bleu_is_not_zero_with_its_tokenizer_and_is_with_the_english_one() -> None:
    said, meant = ["今天北京天气很好"], ["今天上海天气很好"]
    assert bleu(said, meant, language="zh").estimate(seed=1, resamples=100).value > 30
    assert bleu(said, meant, language="en").estimate(seed=1, resamples=100).value == 0


def test_one_row_may_hold_both_languages() -> None:
    assert words("BP是120/80。Ｏｋ") == ["bp", "是", "120", "80", "ok"]
    assert rouge(["BP是120"], ["BP 是 120"], language="zh")["rouge1"] == [1.0]


@pytest.mark.parametrize(
    ("text", "is_it"),
    [("血压正常", True), ("The BP is 120", False), ("", False), ("BP 正常", True)],
)
def test_the_script_of_an_answer_is_seen(text: str, is_it: bool) -> None:
    assert is_mostly_ideographs(text) is is_it


def test_signatures_name_library_version_and_tokenizer() -> None:
    assert "rouge_score" in signature("zh")
    assert "characters" in signature("zh")
    assert "tok:zh" in bleu(["好"], ["好"], language="zh").scorer


def test_exact_match_compares_characters() -> None:
    assert str(exact_match(["4", "5"], ["4", "6"])) == "0.500 share [0.095, 0.905], n=2"
    assert exact_match(["A"], ["a"]).value == 0


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (" Yes. ", "yes"),
        ("so 3+4\n#### 7", "7"),
        ("Ｙｅｓ", "yes"),
        ("是。", "是"),
        ("a  b", "a b"),
    ],
)
def test_normalising_leaves_the_answer(text: str, plain: str) -> None:
    assert normalise(text) == plain


def test_bits_per_byte_counts_bytes_not_characters() -> None:
    value = bits_per_byte([6 * math.log(2)], ["是的"]).estimate(seed=1, resamples=100).value
    assert math.isclose(value, 1.0)


def test_empty_answers_score_zero_without_an_error() -> None:
    assert rouge([""], ["a b"], language="en")["rougeL"] == [0.0]
    assert bleu(["", ""], ["a b", "c"], language="en").estimate(seed=1, resamples=100).value == 0
    assert chrf([""], ["a b"]).estimate(seed=1, resamples=100).value == 0
