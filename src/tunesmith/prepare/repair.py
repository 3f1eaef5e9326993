"""Mend garbled text: encodings mixed up, line ends, control characters. Pure: text in, text out."""

from __future__ import annotations

from typing import Final

import ftfy

# Only what is surely a fault is mended. Off: curly quotes and full-width forms are right in many
# texts (all Chinese punctuation is full-width), ligatures are harmless, and an entity such as
# "&amp;" is the very subject of a row about HTML.
_FAULTS_ONLY: Final = ftfy.TextFixerConfig(
    unescape_html=False,
    fix_latin_ligatures=False,
    fix_character_width=False,
    uncurl_quotes=False,
    explain=False,
)


def repair(text: str) -> str:
    """``text`` with its encoding mended, in NFC, without spaces at its end or empty lines before it.

    Spaces that begin a line stay: in a program they mean something.
    """
    mended: str = ftfy.fix_text(text, _FAULTS_ONLY)
    return mended.lstrip("\n").rstrip()
