"""Text on its way to a terminal: what rows, files and models wrote must not steer it.

A row may hold codes that recolour, rename or answer for the terminal. They are shown, not obeyed.
"""

from __future__ import annotations

import json
from typing import Final

_PICTURES: Final = 0x2400
"""Unicode's pictures of the control characters, U+2400 for NUL to U+241F."""
_HARMLESS: Final = {
    **{code: chr(_PICTURES + code) for code in range(32) if chr(code) not in "\n\t"},
    **dict.fromkeys([*range(0x7F, 0xA0), *range(0xD800, 0xE000)], "\ufffd"),
    **dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], "\ufffd"),
}
"""Control characters, lone surrogates (which cannot be written at all), and marks that turn the
direction of reading, so that a line reads otherwise than it is."""


def harmless(text: str) -> str:
    """``text`` with a visible mark for each character that would steer the terminal."""
    return text.replace("\r\n", "\n").translate(_HARMLESS)


def json_text(value: object) -> str:
    """``value`` as indented JSON, readable in every script, its control characters escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=1, default=str)
    marks = {code for code in _HARMLESS if code >= 0x7F}
    return "".join(f"\\u{ord(c):04x}" if ord(c) in marks else c for c in text)
