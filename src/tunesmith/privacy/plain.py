"""Text in plain characters for matching, with the way back to the original offsets.

People write one number as ``138-0013-8000``, with full-width digits, with dashes of six sorts, or
with invisible characters that came with a copy. Detectors look at the plain form; what they find
is reported in the original's offsets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_INVISIBLE: Final = frozenset(
    "\u00ad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff"
)
_DASHES: Final = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d\u30fc"
_SPACES: Final = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"

_TABLE: Final[dict[int, str]] = {
    **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},  # full-width ASCII
    **{ord(dash): "-" for dash in _DASHES},
    **{ord(space): " " for space in _SPACES},
}


@dataclass(frozen=True, slots=True)
class Plain:
    """Plain ``text``; ``origins[i]`` is where its character i stood, None when nothing moved."""

    text: str
    origins: list[int] | None

    def back(self, start: int, end: int) -> tuple[int, int]:
        """The offsets in the original of ``text[start:end]``, which is not empty."""
        if self.origins is None:
            return start, end
        return self.origins[start], self.origins[end - 1] + 1


def plain(text: str) -> Plain:
    """``text`` in plain characters: full-width to ASCII, one dash, one space, nothing invisible."""
    if text.isascii():
        return Plain(text, None)
    simple = text.translate(_TABLE)
    if not _INVISIBLE.intersection(simple):
        return Plain(simple, None)
    kept = [i for i, character in enumerate(simple) if character not in _INVISIBLE]
    return Plain("".join(simple[i] for i in kept), kept)
