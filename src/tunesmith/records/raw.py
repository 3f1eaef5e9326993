"""A row as it stands in a file, readable or not, and the file's text opened with care."""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TextIO, cast

from tunesmith.core.errors import DataError
from tunesmith.records.turns import Values

LONGEST_LINE: Final = 64 << 20
"""Characters in a line or a CSV cell; a longer one is a bad row, not a machine out of memory."""


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row as it stands in the file."""

    row: int
    """Position in the file, counted from 0; bad rows are counted too."""
    line: int
    """Line on which the row ends, counted from 1; 0 for Parquet and JSON arrays."""
    values: Values


@dataclass(frozen=True, slots=True)
class BadRow:
    """One row that cannot be read."""

    row: int
    line: int
    reason: str
    """A short name, the same for every row with this fault: rows are counted by it."""
    detail: str
    """What exactly is wrong in this row."""


Read = RawRow | BadRow


def open_text(path: Path, encoding: str) -> TextIO:
    """Text whose undecodable bytes become lone surrogates, to be found row by row.

    A byte order mark is taken away: it is no part of the first column's name.
    """
    with path.open("rb") as probe:
        start = probe.read(4)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff") and encoding != "utf-16":
        raise unreadable(path, "it begins as UTF-16 text", "set `encoding: utf-16`")
    is_packed = path.suffix.lower() == ".gz"
    raw = cast(BinaryIO, gzip.GzipFile(path)) if is_packed else path.open("rb")
    codec = "utf-8-sig" if encoding == "utf-8" else encoding
    errors = "strict" if encoding == "utf-16" else "surrogateescape"
    return io.TextIOWrapper(raw, encoding=codec, errors=errors, newline="")


def unreadable(path: Path, why: str, fix: str) -> DataError:
    """The error for a file of which nothing can be read."""
    return DataError(f"{path} cannot be read", why=why, fix=fix, code="file-unreadable")
