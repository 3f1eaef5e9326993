"""Numbers and names in an answer that its prompt does not hold: a cheap, checkable sign of invention.

It cannot see an invented fact made of known words, and it counts a right inference ("the next
day" -> a date) as unsupported. Read it as a difference between models on the same rows, beside
the rate of the expected answers themselves.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

from tunesmith.metrics.numerals import in_any_form, in_digits
from tunesmith.metrics.row_scores import RowScores

SCORER = "numbers and capitalised names of the answer absent from the prompt"

_SENTENCE_START = re.compile(r"(?:^|[.!?:;\n\"”(•-])\s*$")
_CAPITALISED = re.compile(r"\b[A-Z][A-Za-z]{2,}\b")
_WORD = re.compile(r"[A-Za-z]+")
_SPELLED_ACRONYM = re.compile(r"\b[A-Z](?:[.\s]{1,2}[A-Z])+\b")


def unsupported(prompts: Sequence[str], answers: Sequence[str]) -> RowScores:
    """Unsupported items over items, summed over rows: the share of what is stated but not given.

    Items of an answer: each distinct number in digits, and each distinct capitalised word of
    three letters or more that does not begin a sentence. Chinese has no capitals: numbers only.
    A row whose answer has no items adds nothing to either sum.
    """
    sums = np.zeros((len(answers), 2))
    for i, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        items = in_digits(answer) | _names(answer)
        sums[i] = len(items - _given(prompt)), len(items)
    return RowScores("ratio", sums, "share", SCORER, "lower")


def invented_numbers(prompt: str, answer: str) -> set[str]:
    """Numbers in digits that the answer states and the prompt does not hold in any form."""
    return in_digits(answer) - in_any_form(prompt)


def _given(prompt: str) -> set[str]:
    """Numbers in any form, words, words without a final s, and acronyms spoken letter by letter."""
    plain = unicodedata.normalize("NFKC", prompt)
    lowered = {word.lower() for word in _WORD.findall(plain)}
    acronyms = {re.sub(r"[.\s]", "", run).lower() for run in _SPELLED_ACRONYM.findall(plain)}
    return in_any_form(plain) | lowered | {_singular(word) for word in lowered} | acronyms


def _names(answer: str) -> set[str]:
    plain = unicodedata.normalize("NFKC", answer)
    found = list(_CAPITALISED.finditer(plain))
    inside = (
        m for m in found if not _SENTENCE_START.search(plain[max(0, m.start() - 4) : m.start()])
    )
    return {_singular(m.group().lower()) for m in inside}


def _singular(word: str) -> str:
    return word.removesuffix("s") if len(word) > 3 else word
