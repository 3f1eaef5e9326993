"""Words of English, characters of Chinese, of one text that may hold both."""

from __future__ import annotations

import re
import unicodedata
from typing import Final, Literal

Language = Literal["en", "zh"]

IDEOGRAPH: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
"""Scripts written without spaces between words, as the inside of a character class."""

_WORD = re.compile(rf"[{IDEOGRAPH}]|[^\W_{IDEOGRAPH}]+")
_IDEOGRAPH = re.compile(f"[{IDEOGRAPH}]")


def words(text: str) -> list[str]:
    """Lower-case words; each Chinese, Japanese or Korean character is one. Punctuation is left out.

    Full-width forms become plain ones first (NFKC). Example: ``BP是120。`` -> bp, 是, 120.
    """
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())


def is_mostly_ideographs(text: str) -> bool:
    """Whether at least half of the words of ``text`` are single ideographs."""
    found = words(text)
    return bool(found) and 2 * sum(1 for word in found if _IDEOGRAPH.match(word)) >= len(found)
