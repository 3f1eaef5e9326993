"""Rows of CSV (comma, semicolon or tab) and of Parquet, one at a time."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO

from tunesmith.records.raw import LONGEST_LINE, BadRow, RawRow, Read, open_text, unreadable

_BATCH_ROWS: Final = 1000


def delimited(path: Path, encoding: str) -> Iterator[Read]:
    """Cells under the names of the first line; quoted cells may span lines."""
    csv.field_size_limit(LONGEST_LINE)
    with open_text(path, encoding) as file:
        delimiter = max(",;\t", key=file.readline(LONGEST_LINE).count)
    with open_text(path, encoding) as file:
        names = _header(file, path, delimiter)
    with open_text(path, encoding) as file:
        if names:
            yield from _table_rows(file, names, delimiter)


def _header(file: TextIO, path: Path, delimiter: str) -> list[str]:
    try:
        names = next(csv.reader(file, delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise unreadable(path, f"its header cannot be read: {error}", "mend line 1") from error
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise unreadable(
            path, f"two columns are called `{twice[0]}`", "give each column its own name"
        )
    return names


def _table_rows(file: TextIO, names: list[str], delimiter: str) -> Iterator[Read]:
    table = csv.reader(file, delimiter=delimiter, strict=True)
    next(table)
    row = 0
    while True:
        first = table.line_num + 1
        try:
            cells = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadRow(row, first, "broken CSV", f"lines {first} to {table.line_num}: {error}")
            row += 1
            continue
        if not cells:
            continue
        if len(cells) == len(names):
            yield RawRow(row, table.line_num, dict(zip(names, cells, strict=True)))
        else:
            detail = f"{len(cells)} cells under {len(names)} columns"
            yield BadRow(row, table.line_num, "wrong number of cells", detail)
        row += 1


def parquet(path: Path, encoding: str) -> Iterator[Read]:
    """Rows of a Parquet file, a batch in memory at a time."""
    del encoding  # Parquet is always UTF-8.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            row = 0
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                for values in batch.to_pylist():
                    yield RawRow(row, 0, values)
                    row += 1
    except (pa.ArrowInvalid, pa.ArrowException, OSError, UnicodeDecodeError) as error:
        why = f"it is not a whole Parquet file: {error}"
        raise unreadable(path, why, "fetch or write it again") from error
