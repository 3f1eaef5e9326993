"""The passes over all rows, each a picklable piece of work for one batch.

A pass of *cleaning* runs one segment of operators; the last one also draws the splits. The pass of
*checking* looks for test rows among the others, and takes the portrait of what is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tunesmith.core.digest import of_value
from tunesmith.prepare.card import Portrait
from tunesmith.prepare.config import PrepareConfig
from tunesmith.prepare.engine.batch import only, rows
from tunesmith.prepare.engine.operator import Group, Operator, RowFilter
from tunesmith.prepare.engine.parts import Parts, marks_path, one_batch
from tunesmith.prepare.engine.segment import run_batch, segments
from tunesmith.prepare.engine.tally import Drop, StepCount
from tunesmith.prepare.leak import LeakIndex
from tunesmith.prepare.operators import operators
from tunesmith.prepare.split import SPLITS, Split, split_of
from tunesmith.records.conversation import Conversation
from tunesmith.records.rows import FILE_NAME, read_all

SPLIT: Final = "split"
"""Column that the last cleaning adds."""


@dataclass(frozen=True, slots=True)
class Cleaning:
    """One segment of the operators of ``config`` over the batches of ``before``, or over raw rows."""

    config: PrepareConfig
    segment: int
    raw: Path
    before: Parts | None
    out: Parts

    def __call__(self, number: int) -> None:
        """Write part ``number``, unless it is there."""
        if self.out.is_done(number):
            return
        every = _segments(self.config)
        mine = every[self.segment]
        counts: list[StepCount] = []
        drops: list[Drop] = []
        if self.before is None:
            batch = one_batch(pq.ParquetFile(self.raw / FILE_NAME).read_row_group(number))
        else:
            group = every[self.segment - 1][-1]
            batch, counts, drops = _without_chosen(self.before, number, group)
        outcome = run_batch(mine, batch)
        left = rows(outcome.batch)
        if mine and isinstance(mine[-1], Group):
            _keep_marks(self.out, number, mine[-1], left)
        else:
            splits = pa.array([split_of(row, self.config.split) for row in left], pa.string())
            outcome.batch = outcome.batch.append_column(SPLIT, splits)
        self.out.write(number, outcome.batch, [*counts, *outcome.counts], [*drops, *outcome.drops])


@dataclass(frozen=True, slots=True)
class Checking:
    """Training and validation rows that stand among the test rows are dropped; the portrait is taken."""

    config: PrepareConfig
    before: Parts
    tests: tuple[Path, ...]
    out: Parts

    def __call__(self, number: int) -> None:
        """Write part ``number``, unless it is there."""
        if self.out.is_done(number):
            return
        batch = self.before.batch(number)
        kept, counts, drops = [], [], []
        for split in SPLITS:
            outcome = run_batch(self._rules(split), of_split(batch, split))
            kept.append(outcome.batch)
            counts += outcome.counts
            drops += outcome.drops
        whole = one_batch(pa.Table.from_batches(kept))
        portrait = Portrait(self.config.language)
        for row in rows(whole):
            portrait.look(row)
        self.out.write(number, whole, counts, drops, portrait.as_dict())

    def _rules(self, split: Split) -> list[Operator]:
        if split == "test" or not self.config.leak.enabled:
            return []
        return [
            RowFilter(
                f"leak check ({split})", _index(self.config, self.tests, identity(self.tests))
            )
        ]


def batches(raw: Path) -> int:
    """Number of batches of raw rows."""
    return int(pq.ParquetFile(raw / FILE_NAME).num_row_groups)


def identity(folders: Iterable[Path]) -> str:
    """16 hex digits that are others when a file of rows in ``folders`` is."""
    stats = [(folder / FILE_NAME).stat() for folder in folders]
    return of_value([[one.st_size, one.st_mtime_ns, one.st_ino] for one in stats])[:16]


def of_split(batch: pa.RecordBatch, split: Split) -> pa.RecordBatch:
    """The rows of one split, in their order."""
    return batch.filter(pc.equal(batch.column(SPLIT), split))


def chosen_path(parts: Parts, number: int) -> Path:
    """Which rows of a part its group has chosen to drop: one byte a row."""
    return parts.folder / f"{number:07d}.chosen"


@lru_cache(maxsize=1)
def _segments(config: PrepareConfig) -> list[list[Operator]]:
    """The operators are made once in each process."""
    return segments(operators(config))


@lru_cache(maxsize=1)
def _index(config: PrepareConfig, tests: tuple[Path, ...], state: str) -> LeakIndex:
    """The test rows are indexed once in each process, and again when their files are others."""
    del state
    return LeakIndex(read_all(tests), config.leak, config.language)


def _keep_marks(parts: Parts, number: int, group: Group, left: Sequence[Conversation]) -> None:
    parts.folder.mkdir(parents=True, exist_ok=True)
    marks_path(parts)(number).write_bytes(b"".join(group.mark(row) for row in left))


def _without_chosen(
    before: Parts, number: int, group: Operator
) -> tuple[pa.RecordBatch, list[StepCount], list[Drop]]:
    """A part without the rows that its group dropped, and the group's account of this part."""
    assert isinstance(group, Group), "a segment that another follows ends with a group"
    batch = before.batch(number)
    is_gone = np.fromfile(chosen_path(before, number), dtype=np.bool_)
    step = StepCount(group.name, len(is_gone), int((~is_gone).sum()))
    drops: list[Drop] = []
    if is_gone.any():
        gone = [row for row, left in zip(rows(batch), is_gone, strict=True) if left]
        step.dropped[group.reason] = len(gone)
        drops = [Drop.of(group.name, group.reason, row, earlier=i) for i, row in enumerate(gone)]
    return only(batch, list(~is_gone)), [step], drops
