"""Text of a row as its tokens come: only what can no longer change, and stop texts held back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

_UNFINISHED: Final = "�"


class Detokenizer(Protocol):
    """The part of a Transformers tokenizer that is used here."""

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool) -> str: ...


class GrowingText:
    """Joined, the pieces of `push` and `finish` are the decoded row, up to the first stop text."""

    def __init__(self, tokenizer: Detokenizer, stop: Sequence[str] = ()) -> None:
        self._tokenizer = tokenizer
        self._stop = tuple(text for text in stop if text)
        self._ids: list[int] = []
        self._shown_from = 0
        self._shown_to = 0
        self._held = ""
        self.stopped = False

    def push(self, token: int) -> str:
        """Add a token; the text that is now certain, often empty."""
        if self.stopped:
            return ""
        self._ids.append(token)
        # decoding from a little before the new tokens keeps this linear in the row's length, and
        # gives the first new token the same neighbour on its left as in the whole row
        before = self._decode(self._ids[self._shown_from : self._shown_to])
        now = self._decode(self._ids[self._shown_from :])
        if len(now) <= len(before) or now.endswith(_UNFINISHED):
            return ""
        self._shown_from, self._shown_to = self._shown_to, len(self._ids)
        return self._released(now[len(before) :])

    def finish(self) -> str:
        """What is left when no more tokens come."""
        if self.stopped:
            return ""
        before = self._decode(self._ids[self._shown_from : self._shown_to])
        rest = self._decode(self._ids[self._shown_from :])[len(before) :]
        piece = self._released(rest)
        if not self.stopped:
            piece, self._held = piece + self._held, ""
        return piece

    def _decode(self, ids: Sequence[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=True)

    def _released(self, text: str) -> str:
        """Text that is before any stop text and cannot be the beginning of one."""
        whole = self._held + text
        found = [at for at in (whole.find(stop) for stop in self._stop) if at >= 0]
        if found:
            self.stopped, self._held = True, ""
            return whole[: min(found)]
        keep = max((_overlap(whole, stop) for stop in self._stop), default=0)
        self._held = whole[len(whole) - keep :]
        return whole[: len(whole) - keep]


def _overlap(text: str, stop: str) -> int:
    """Characters at the end of ``text`` that are the beginning of ``stop``, but not all of it."""
    for size in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:size]):
            return size
    return 0
