"""Numbers of a text, whether written in digits, in English words or in Chinese characters.

A number is given as text without leading zeros, thousands commas or trailing zeros of a fraction:
``1,000`` and ``007.50`` are ``1000`` and ``7.5``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

_DIGITS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
_LIST_MARK = re.compile(r"(?m)^\s*\d{1,2}[.)]\s")
_WORD = re.compile(r"[a-z]+")
_CHINESE = re.compile("[零〇一二两三四五六七八九十百千万]+")

_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_ORDINALS = [
    "zeroth",
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_VALUES = {
    **{word: value for value, word in enumerate(_ONES)},
    **{word: value for value, word in enumerate(_ORDINALS)},
    **{word: 10 * place for place, word in enumerate(_TENS, start=2)},
    **{f"{word[:-1]}ieth": 10 * place for place, word in enumerate(_TENS, start=2)},
}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
_CHINESE_DIGITS = {
    **{character: value for value, character in enumerate("零一二三四五六七八九")},
    "〇": 0,
    "两": 2,
}
_CHINESE_SCALES = {"十": 10, "百": 100, "千": 1000}


def in_digits(text: str) -> set[str]:
    """Distinct numbers written in digits; the marks of a numbered list are left out."""
    plain = _LIST_MARK.sub(" ", unicodedata.normalize("NFKC", text))
    return {_plain(digits) for digits in _DIGITS.findall(plain)}


def in_any_form(text: str) -> set[str]:
    """Distinct numbers in digits, words or Chinese characters, months as 1 to 12.

    Generous on purpose: ``one twenty`` gives 1, 20 and 120, and a year gives its last two digits.
    """
    plain = unicodedata.normalize("NFKC", text).lower()
    found = {_plain(digits) for digits in _DIGITS.findall(plain)}
    spoken = _WORD.findall(plain)
    found |= {str(_MONTHS.index(word) + 1) for word in spoken if word in _MONTHS}
    for is_number, run in groupby(spoken, key=_is_number_word):
        if is_number:
            found |= _joined([str(value) for value in _spoken_values(list(run))])
    for run_of_characters in _CHINESE.findall(plain):
        found.add(_chinese_value(run_of_characters))
    years = [number for number in found if re.fullmatch(r"(?:19|20)\d\d", number)]
    return found | {str(int(year) % 100) for year in years}


def _plain(digits: str) -> str:
    whole, _, fraction = digits.replace(",", "").partition(".")
    fraction = fraction.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{fraction}" if fraction else "")


def _is_number_word(word: str) -> bool:
    return word in _VALUES or word in _SCALES


def _spoken_values(run: Sequence[str]) -> Iterator[int]:
    """Cut a run of number words where no single number can go on: twenty twenty two -> 20, 22."""
    total, current, may_add = 0, 0, 0
    for word in run:
        if word in _SCALES:
            current = max(current, 1) * _SCALES[word]
            if word != "hundred":
                total, current = total + current, 0
            may_add = 100 if word == "hundred" else 1000
            continue
        value = _VALUES[word]
        if value >= may_add and (total or current):
            yield total + current
            total, current = 0, 0
        current += value
        may_add = 10 if value >= 20 else 0
    yield total + current


def _joined(values: Sequence[str]) -> set[str]:
    """Each value, each two neighbours written together, and the whole run: 1, 20 -> 120."""
    pairs = {f"{one}{other}" for one, other in pairwise(values)}
    return set(values) | {_plain(number) for number in (*pairs, "".join(values))}


def _chinese_value(run: str) -> str:
    if not set(run) & {*_CHINESE_SCALES, "万"}:
        return _plain("".join(str(_CHINESE_DIGITS[character]) for character in run))
    total, current, digit = 0, 0, 0
    for character in run:
        if character in _CHINESE_DIGITS:
            digit = _CHINESE_DIGITS[character]
        elif character == "万":
            total, current, digit = (total + current + digit) * 10_000, 0, 0
        else:
            # 十五 is 15: a scale without a digit before it counts once.
            current, digit = current + (digit or 1) * _CHINESE_SCALES[character], 0
    return str(total + current + digit)
