"""E-mail addresses: the part of RFC 5321 that people use, ASCII only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

# ASCII on purpose: in Chinese text the address touches the characters around it. Repetition is
# bounded as in RFC 5321 (local part 64, label 63), so that no text makes the search slow.
_ADDRESS: Final = re.compile(
    r"(?<![A-Za-z0-9._%+-])"
    r"[A-Za-z0-9_%+](?:[A-Za-z0-9._%+'-]{0,62}[A-Za-z0-9_%+-])?"
    r"@"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}"
    r"[A-Za-z]{2,24}"
    r"(?![A-Za-z0-9-])"
)


def addresses(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each address in plain ``text``."""
    if "@" in text:
        for found in _ADDRESS.finditer(text):
            yield found.span()
