"""One file of rows and one of counts for each batch: what a killed run has done is not done again.

A part is whole when its counts are there: they are written last, and renamed into place.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tunesmith.prepare.engine.tally import Drop, StepCount


@dataclass(frozen=True, slots=True)
class Parts:
    """The batches of one segment in a folder, numbered from 0."""

    folder: Path

    def rows_path(self, number: int) -> Path:
        """The rows of a batch, as Parquet."""
        return self.folder / f"{number:07d}.parquet"

    def is_done(self, number: int) -> bool:
        """Whether the batch was finished by this attempt or by one before it."""
        return self._counts_path(number).exists()

    def write(
        self, number: int, batch: pa.RecordBatch, counts: Sequence[StepCount],
        drops: Sequence[Drop], more: Any = None,
    ) -> None:  # fmt: skip
        """Keep a finished batch; ``more`` is any JSON value that goes with it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_batches([batch]), self.rows_path(number), compression="zstd")
        body = {
            "counts": [count.as_dict() for count in counts],
            "drops": [drop.as_dict() for drop in drops],
            "more": more,
        }
        fresh = self.folder / f"{number:07d}.{os.getpid()}.fresh"
        fresh.write_text(json.dumps(body, ensure_ascii=False), encoding="utf-8")
        fresh.rename(self._counts_path(number))

    def batch(self, number: int) -> pa.RecordBatch:
        """The rows of a finished batch."""
        return one_batch(pq.read_table(self.rows_path(number), memory_map=False))

    def rows(self, number: int) -> int:
        """Number of rows of a finished batch."""
        return int(pq.read_metadata(self.rows_path(number)).num_rows)

    def account(self, number: int) -> Account:
        """What happened to a finished batch."""
        body = json.loads(self._counts_path(number).read_text(encoding="utf-8"))
        return Account(
            [StepCount.of_dict(count) for count in body["counts"]],
            [Drop(**drop) for drop in body["drops"]],
            body["more"],
        )

    def _counts_path(self, number: int) -> Path:
        return self.folder / f"{number:07d}.json"


@dataclass(frozen=True, slots=True)
class Account:
    """The counts of a batch's steps, its dropped rows, and what else was kept."""

    counts: list[StepCount]
    drops: list[Drop]
    more: Any


def one_batch(table: pa.Table) -> pa.RecordBatch:
    """The table as a single batch."""
    whole = table.combine_chunks()
    if whole.num_rows == 0:
        return pa.RecordBatch.from_pylist([], schema=whole.schema)
    [batch] = whole.to_batches()
    return batch


def marks_of(parts: Parts, numbers: Sequence[int], width: int) -> NDArray[np.void]:
    """The marks kept with the batches, one behind the other, shape (rows,)."""
    kept = [np.fromfile(path, dtype=f"V{width}") for path in map(marks_path(parts), numbers)]
    return np.concatenate(kept) if kept else np.empty(0, dtype=f"V{width}")


def marks_path(parts: Parts) -> Any:
    """Number of a batch -> the file of its marks."""
    return lambda number: parts.folder / f"{number:07d}.marks"


def accounts(parts: Parts, numbers: Sequence[int]) -> Iterator[Account]:
    """What happened to each batch, in order."""
    return map(parts.account, numbers)
