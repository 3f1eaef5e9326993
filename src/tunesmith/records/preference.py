"""A preference: one prompt with a better and a worse answer, read by alignment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tunesmith.core.digest import of_value
from tunesmith.records.conversation import Message


@dataclass(frozen=True, slots=True)
class Preference:
    """Two answers to one prompt, of which people preferred ``chosen``."""

    prompt: tuple[Message, ...]
    """Every turn before the answers; the last one is the user's."""
    chosen: str
    rejected: str
    source: str
    row: int
    """Position in the source file, counted from 0."""
    id: str


def identify_pair(
    prompt: Sequence[Message], answers: tuple[str, str], source: str, row: int
) -> str:
    """A stable id of 16 hex digits from the origin and the text; ``answers`` = chosen, rejected."""
    turns = [[message.role, message.content] for message in prompt]
    return of_value([source, row, turns, list(answers)])[:16]
