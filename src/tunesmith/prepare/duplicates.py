"""Exact duplicates: rows that are equal once case, width, spaces and punctuation are set aside."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from typing import Final

from tunesmith.records.conversation import Conversation, Message


def normal_form(text: str) -> str:
    """Letters, digits and signs of ``text`` in NFKC and lower case, words parted by one space.

    Signs such as + and = stay: "2 + 2" and "2 - 2" are different questions.
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().translate(_SPACED).split())


class _Spaced(dict[int, int]):
    """Code point -> itself, or a space for punctuation and controls; filled as points are met."""

    def __missing__(self, point: int) -> int:
        is_apart = unicodedata.category(chr(point))[0] in "ZCP" and chr(point) not in _KEPT_SIGNS
        self[point] = ord(" ") if is_apart else point
        return self[point]


_KEPT_SIGNS: Final = "-%#@&*/"
_SPACED: Final = _Spaced()


def fingerprint(messages: Iterable[Message]) -> bytes:
    """16 bytes that are equal for messages of equal roles and normal forms."""
    digest = hashlib.sha256()
    for message in messages:
        digest.update(f"{message.role}\0{normal_form(message.content)}\0".encode())
    return digest.digest()[:16]


def row_fingerprint(row: Conversation) -> bytes:
    """The fingerprint of what is said in ``row``; the system message aside."""
    return fingerprint(message for message in row.messages if message.role != "system")
