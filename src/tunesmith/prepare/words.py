"""How a text is cut into words: at spaces, or in Chinese at every ideograph."""

from __future__ import annotations

import re
from typing import Final, Literal

Language = Literal["en", "zh"]

# Ideographs (with extension A and the compatibility block), kana; anything else runs to a space.
_IDEOGRAPH: Final = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff"
_CHINESE: Final = re.compile(rf"[{_IDEOGRAPH}]|[^\s{_IDEOGRAPH}]+")
_ANY_IDEOGRAPH: Final = re.compile(rf"[{_IDEOGRAPH}]")


def words(text: str, language: Language) -> list[str]:
    """The words of ``text``, in order; punctuation stays with the word it touches."""
    return _CHINESE.findall(text) if language == "zh" else text.split()


def main_script(text: str) -> str:
    """The script of most letters: ``Latin``, ``Chinese``, ``other``; ``none`` without letters."""
    letters = [character for character in text if character.isalpha()]
    if not letters:
        return "none"
    ideographs = len(_ANY_IDEOGRAPH.findall(text))
    latin = sum(letter < "\u0250" for letter in letters)
    if 2 * ideographs >= len(letters):
        return "Chinese"
    return "Latin" if 2 * latin >= len(letters) else "other"
