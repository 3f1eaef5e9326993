"""A conversation: the one record type that supervised tuning and evaluation read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tunesmith.core.digest import of_value

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns with their origin. ``id`` depends on the text and the origin only, so it is stable."""

    messages: tuple[Message, ...]
    source: str
    """URI or path of the file the row came from."""
    row: int
    """Position in that file: line, record or table row, counted from 0."""
    id: str
    """16 hex digits; see `identify`."""
    group: str = ""
    """Rows of one group (patient, contract) stay in one split; empty: the row is its own group."""

    @property
    def prompt(self) -> tuple[Message, ...]:
        """Every message before the last one, which is the assistant's."""
        return self.messages[:-1]

    @property
    def answer(self) -> str:
        """Text of the last message, which is the assistant's."""
        return self.messages[-1].content


def identify(messages: Sequence[Message], source: str, row: int) -> str:
    """A stable id of 16 hex digits from origin and text."""
    turns = [[message.role, message.content] for message in messages]
    return of_value([source, row, turns])[:16]
