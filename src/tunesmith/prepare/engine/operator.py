"""What an operator is: a pure function with the columns it reads and writes, and its kind.

A *map* changes the text of turns, a *filter* drops rows and says why, a *group* looks at all rows
at once by a mark that each row gets. Counting, batching and processes are the engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from tunesmith.records.conversation import Conversation

Kind = Literal["map", "filter", "group"]
TextChange = Callable[[str], tuple[str, Mapping[str, int]]]
"""Text -> the text in its place, and how often what was found in it."""
RowRule = Callable[[Conversation], str | None]
"""Row -> the reason to drop it, or None to keep it."""
MARK_BYTES = 16


@dataclass(frozen=True, slots=True)
class TextMap:
    """Changes each turn's text; a row keeps its id, which leads to its source."""

    kind: ClassVar[Kind] = "map"
    reads: ClassVar[tuple[str, ...]] = ("messages",)
    writes: ClassVar[tuple[str, ...]] = ("messages",)
    name: str
    change: TextChange


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Drops the rows to which ``reason`` gives a reason; others are not touched."""

    kind: ClassVar[Kind] = "filter"
    reads: ClassVar[tuple[str, ...]] = ("messages", "group")
    writes: ClassVar[tuple[str, ...]] = ()
    name: str
    reason: RowRule


@dataclass(frozen=True, slots=True)
class Group:
    """Drops rows by what other rows are: ``mark`` is taken of each, ``choose`` sees all of them."""

    kind: ClassVar[Kind] = "group"
    reads: ClassVar[tuple[str, ...]] = ("messages",)
    writes: ClassVar[tuple[str, ...]] = ()
    name: str
    mark: Callable[[Conversation], bytes]
    """`MARK_BYTES` bytes."""
    choose: Callable[[NDArray[np.void]], NDArray[np.bool_]]
    """Marks of all rows in their order, shape (rows,) -> True for each row that is dropped."""
    reason: str


Operator = TextMap | RowFilter | Group
