"""A document: plain text without turns, before it becomes rows to train on."""

from __future__ import annotations

from dataclasses import dataclass

from tunesmith.core.digest import of_value


@dataclass(frozen=True, slots=True)
class Document:
    """One text with its origin."""

    text: str
    source: str
    row: int
    """Position in the source file, counted from 0."""
    id: str
    title: str = ""


def identify_document(text: str, source: str, row: int) -> str:
    """A stable id of 16 hex digits from the origin and the text."""
    return of_value([source, row, text])[:16]
