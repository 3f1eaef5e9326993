"""The Chinese resident identity number: 18 characters with region, date of birth and check."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from typing import Final

# Weights of the first 17 digits and check characters by remainder. Source: GB 11643-1999, with
# the check of ISO 7064:1983, MOD 11-2.
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS: Final = "10X98765432"

# First two digits: the province-level regions of GB/T 2260, with Hong Kong, Macau and Taiwan as
# they stand on residence permits (81, 82, 83) and permanent residents from abroad (91).
_REGIONS: Final = frozenset(
    (11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 44, 45, 46,
     50, 51, 52, 53, 54, 61, 62, 63, 64, 65, 71, 81, 82, 83, 91)
)  # fmt: skip
_YEARS: Final = range(1890, 2100)

# The lookahead finds overlapping candidates: digits that stand before the number must not hide it.
_CANDIDATE: Final = re.compile(
    r"(?<![0-9A-Za-z])(?=([1-9](?:[ -]?\d){16}[ -]?[0-9Xx])(?![0-9A-Za-z]))"
)
_CHARACTERS: Final = re.compile(r"[0-9Xx]")


def identities(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each valid identity number in plain ``text``; spaces and dashes allowed."""
    for found in _CANDIDATE.finditer(text):
        if is_identity("".join(_CHARACTERS.findall(found[1]))):
            yield found.span(1)


def is_identity(number: str) -> bool:
    """True for 18 characters with a region, a date that exists and the right check character."""
    if len(number) != 18 or not number[:17].isdecimal() or not number.isascii():
        return False
    return (
        int(number[:2]) in _REGIONS
        and _is_date(number[6:14])
        and number[17].upper() == check_character(number[:17])
    )


def check_character(digits: str) -> str:
    """The 18th character for the first 17 digits: ``0`` to ``9`` or ``X``."""
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, digits, strict=True))
    return _CHECKS[total % 11]


def _is_date(text: str) -> bool:
    try:
        date = datetime.date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return False
    return date.year in _YEARS
