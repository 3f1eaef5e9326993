"""The work of `collect`: a source's files become rows of one type; what cannot be used is counted."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Generic, TypeVar

from tunesmith.core.errors import DataError
from tunesmith.core.stage import Context
from tunesmith.prepare.config import CollectConfig, CollectPreferencesConfig
from tunesmith.records.raw import BadRow, RawRow, Read
from tunesmith.records.readers import data_files, read_file
from tunesmith.records.turns import Refusal, Values
from tunesmith.sources import local
from tunesmith.sources.fetch import fetch
from tunesmith.sources.uri import scheme_of

R = TypeVar("R")
Make = Callable[[Values, str, int], R | Refusal]
"""A row's values, its source and its number -> the row, or why it is left out."""
Maker = Callable[[Sequence[RawRow], str], Make[R]]
"""The first rows of a file and its name -> how its rows are made. Refuses a file that cannot fit."""
AnyCollectConfig = CollectConfig | CollectPreferencesConfig

_LOOKED_AT: Final = 100
"""Rows from which a file's columns and format are read: a JSON row may lack an optional column."""
_ALWAYS_ALLOWED: Final = 5
_SHOWN: Final = 20
_TOLD_EVERY: Final = 500


@dataclass(slots=True)
class Losses:
    """Rows that were read and left out, by reason, with where they stand."""

    read: int = 0
    kept: int = 0
    faults: int = 0
    """Rows that are broken; those that are merely not wanted are not among them."""
    dropped: Counter[str] = field(default_factory=Counter)
    where: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Row numbers by reason, counted from 0; the first few of each."""
    examples: list[str] = field(default_factory=list)

    def lose(self, file: str, row: int, reason: str, *, is_fault: bool, detail: str = "") -> None:
        """Count one row that is left out."""
        self.dropped[reason] += 1
        self.faults += is_fault
        if len(self.where[reason]) < _SHOWN:
            self.where[reason].append(row)
        if is_fault and len(self.examples) < 3:
            self.examples.append(f"{file} {detail or f'row {row}: {reason}'}")


@dataclass(slots=True)
class Collector(Generic[R]):
    """Reads a source and makes rows; ``losses`` is whole once every row was taken."""

    config: AnyCollectConfig
    maker: Maker[R]
    ctx: Context
    losses: Losses = field(default_factory=Losses)

    def rows(self) -> Iterator[R]:
        """The good rows of every file, in the order of the files.

        Raises:
            DataError: when the source or a file cannot be read, or too many rows are broken.

        """
        place = fetch(self.config.rows, cache=self.ctx.cache, project=self.ctx.project)
        _check_unchanged(self.config, place)
        for file in data_files(place):
            name = self.config.rows
            if file != place:
                name = f"{name.rstrip('/')}/{file.relative_to(place).as_posix()}"
            yield from self._file(file, name)
            if self._is_full():
                break
        self._check()

    def report(self) -> None:
        """Tell what was read and lost: accounting, one note for each reason, and a fact."""
        lost = self.losses
        self.ctx.progress(lost.read, lost.read, "rows", "collecting")
        self.ctx.accounting("collect", lost.read, lost.kept, lost.dropped)
        for reason, count in lost.dropped.most_common():
            rows = ", ".join(str(row) for row in lost.where[reason])
            more = " ..." if count > len(lost.where[reason]) else ""
            self.ctx.note(f"{self.config.rows}: {count} row(s) left out, {reason}: {rows}{more}")
        for example in lost.examples:
            self.ctx.note(example)
        self.ctx.fact(
            "collected",
            {
                "source": self.config.rows,
                "licence": self.config.licence,
                "rows_read": lost.read,
                "rows": lost.kept,
                "dropped": [
                    {"reason": reason, "count": count, "rows": lost.where[reason]}
                    for reason, count in lost.dropped.most_common()
                ],
            },
        )

    def _file(self, file: Path, name: str) -> Iterator[R]:
        reads = _sliced(read_file(file, encoding=self.config.encoding), self.config.slice)
        first = list(itertools.islice(reads, _LOOKED_AT))
        good = [read for read in first if isinstance(read, RawRow)]
        make = self.maker(good, name) if good else None
        for read in itertools.chain(first, reads):
            if self._is_full():
                return
            self.losses.read += 1
            if self.losses.read % _TOLD_EVERY == 0:
                self.ctx.progress(self.losses.read, 0, "rows", "collecting")
            if isinstance(read, BadRow):
                place = f"line {read.line}" if read.line else f"row {read.row}"
                detail = f"{place}: {read.reason}: {read.detail}"
                self.losses.lose(name, read.row, read.reason, is_fault=True, detail=detail)
                continue
            if make is None:  # A file that begins with a hundred broken rows.
                make = self.maker([read], name)
            made = make(read.values, name, read.row)
            if isinstance(made, Refusal):
                self.losses.lose(name, read.row, made.reason, is_fault=made.is_fault)
            else:
                self.losses.kept += 1
                yield made

    def _is_full(self) -> bool:
        return 0 < self.config.max_rows <= self.losses.kept

    def _check(self) -> None:
        lost, limit = self.losses, self.config.max_bad_rows
        allowed = limit if limit >= 1 or limit == 0 else max(_ALWAYS_ALLOWED, limit * lost.read)
        if lost.faults > allowed or (lost.faults and not lost.kept):
            raise _too_many(self.config, lost, int(allowed))
        if not lost.kept:
            reasons = ", ".join(f"{reason} {n}" for reason, n in lost.dropped.most_common(3))
            raise DataError(
                f"{self.config.rows} gives no row",
                why=f"{lost.read} rows were read; left out: {reasons or 'none'}",
                fix="check the file, `slice` and `columns`",
                code="no-rows-left",
            )


def _too_many(config: AnyCollectConfig, lost: Losses, allowed: int) -> DataError:
    wrong_code = any(reason.startswith(f"bad {config.encoding.upper()}") for reason in lost.dropped)
    fix = "mend these rows, or allow more with `max_bad_rows`"
    if wrong_code:
        fix = f"if the file is not {config.encoding}, set `encoding` (Chinese: gb18030); else {fix}"
    return DataError(
        f"{config.rows}: {lost.faults} of {lost.read} rows cannot be used, more than {allowed}",
        why="; ".join(lost.examples),
        fix=fix,
        code="too-many-bad-rows",
    )


def _check_unchanged(config: AnyCollectConfig, place: Path) -> None:
    if scheme_of(config.rows) != "local" or not config.fingerprint:
        return
    if local.fingerprint(place) != config.fingerprint:
        raise DataError(
            f"{config.rows} was changed while the run was going on",
            why="its bytes are not those that the run was planned with",
            fix="start the run again; it reads the new file",
            code="source-changed",
        )


def _sliced(reads: Iterator[Read], bounds: str) -> Iterator[Read]:
    if not bounds:
        return reads
    start, stop = bounds.split(":")
    return itertools.islice(reads, int(start or 0), int(stop) if stop else None)
