"""Counting, once for every operator: rows in = rows out + rows dropped by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final

import pyarrow as pa

from tunesmith.prepare.operators import Operator, Outcome
from tunesmith.privacy.find import mask
from tunesmith.records.conversation import Conversation
from tunesmith.records.rows import TableWriter

_SAMPLES: Final = 3
"""Dropped rows shown for each reason."""
_SHOWN: Final = 240
"""Characters shown of a dropped row."""
_DROPS: Final = pa.schema(
    [
        ("step", pa.string()),
        ("reason", pa.string()),
        ("id", pa.string()),
        ("source", pa.string()),
        ("row", pa.int64()),
    ]
)


@dataclass(slots=True)
class StepCount:
    """What one step did: rows read, rows dropped by reason, and what it found in those it kept."""

    step: str
    rows_in: int = 0
    rows_out: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)


class Tally:
    """Runs operators over rows, counts, and writes one line of ``drops.parquet`` for each drop."""

    def __init__(self, drops: Path) -> None:
        self.steps: list[StepCount] = []
        self.samples: list[dict[str, object]] = []
        self._shown: Counter[tuple[str, str]] = Counter()
        self._writer = TableWriter(drops, _DROPS)

    def __enter__(self) -> Tally:
        self._writer.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.__exit__(kind, error, trace)

    def through(
        self, step: str, operator: Operator, rows: Iterable[Conversation]
    ) -> Iterator[Conversation]:
        """The rows that ``operator`` keeps, one at a time; counts are whole when the last is taken."""
        count = StepCount(step)
        self.steps.append(count)  # Now, not when the first row is taken: steps keep their order.
        return self._counted(count, operator(rows))

    def _counted(self, count: StepCount, outcomes: Iterable[Outcome]) -> Iterator[Conversation]:
        for outcome in outcomes:
            count.rows_in += 1
            count.found.update(outcome.found)
            if outcome.dropped is None:
                count.rows_out += 1
                yield outcome.row
            else:
                count.dropped[outcome.dropped] += 1
                self._note(count.step, outcome.dropped, outcome.row)

    def _note(self, step: str, reason: str, row: Conversation) -> None:
        origin = {"id": row.id, "source": row.source, "row": row.row}
        self._writer.add({"step": step, "reason": reason, **origin})
        if self._shown[step, reason] < _SAMPLES:
            self._shown[step, reason] += 1
            # Masked whatever the settings say: a report is read by more people than the data.
            text = mask(" | ".join(message.content for message in row.messages))
            self.samples.append({"step": step, "reason": reason, **origin, "text": text[:_SHOWN]})
