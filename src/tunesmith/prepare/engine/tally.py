"""Counting, once for every operator: rows in = rows out + rows dropped by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from tunesmith.privacy.find import mask
from tunesmith.records.conversation import Conversation

SAMPLES: Final = 3
"""Dropped rows shown for each reason."""
_SHOWN: Final = 240
"""Characters shown of a dropped row."""


@dataclass(slots=True)
class StepCount:
    """What one step did: rows read, rows dropped by reason, and what it found in those it kept."""

    step: str
    rows_in: int = 0
    rows_out: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)

    def add(self, other: StepCount) -> None:
        """Add another batch's count of the same step."""
        assert other.step == self.step, "counts of one step are added"
        self.rows_in += other.rows_in
        self.rows_out += other.rows_out
        self.dropped.update(other.dropped)
        self.found.update(other.found)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "step": self.step, "rows_in": self.rows_in, "rows_out": self.rows_out,
            "dropped": dict(self.dropped), "found": dict(self.found),
        }  # fmt: skip

    @classmethod
    def of_dict(cls, body: dict[str, Any]) -> StepCount:
        """What `as_dict` gave."""
        counters = {name: Counter(body[name]) for name in ("dropped", "found")}
        return cls(**{**body, **counters})


@dataclass(frozen=True, slots=True)
class Drop:
    """One dropped row: where it stood, and why it went."""

    step: str
    reason: str
    id: str
    source: str
    row: int
    text: str
    """Its beginning, of the first few with this reason; else empty."""

    @classmethod
    def of(cls, step: str, reason: str, row: Conversation, *, earlier: int) -> Drop:
        """The account of ``row``, when ``earlier`` rows of its batch went for the same reason."""
        text = sample(row) if earlier < SAMPLES else ""
        return cls(step, reason, row.id, row.source, row.row, text)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def sample(row: Conversation) -> str:
    """The row's beginning, masked whatever the settings say: many people read a report."""
    said = " | ".join(message.content for message in row.messages)
    # the mask may be shorter than what it covers: cut after it, but look at no whole book
    return mask(said[: 4 * _SHOWN])[:_SHOWN]


def added(names: Iterable[str], batches: Iterable[Iterable[StepCount]]) -> list[StepCount]:
    """The counts of all batches for each step of ``names``, in that order."""
    steps = {name: StepCount(name) for name in names}
    for counts in batches:
        for count in counts:
            steps[count.step].add(count)
    return list(steps.values())
