"""A stretch of private data in a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PrivateKind = Literal["EMAIL", "PHONE", "ID"]


@dataclass(frozen=True, slots=True)
class Span:
    """Characters ``start`` to ``end`` (excluded) of the original text, as ``text[start:end]``."""

    start: int
    end: int
    kind: PrivateKind
