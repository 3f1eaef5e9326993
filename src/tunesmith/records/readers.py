"""JSONL, JSON, CSV and Parquet files as a stream of plain rows; a bad row is named and passed by.

A reader yields `RawRow` or `BadRow` in the order of the file and holds one row (Parquet: one
batch) in memory. Counting bad rows, and giving up, is the caller's work.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from tunesmith.core.errors import DataError
from tunesmith.core.table import nearest
from tunesmith.records.json_rows import json_array, json_lines
from tunesmith.records.raw import BadRow, Read, unreadable
from tunesmith.records.table_rows import delimited, parquet

READERS: Final[dict[str, Callable[[Path, str], Iterator[Read]]]] = {
    ".jsonl": json_lines,
    ".ndjson": json_lines,
    ".json": json_array,
    ".csv": delimited,
    ".tsv": delimited,
    ".parquet": parquet,
}


def data_files(place: Path) -> list[Path]:
    """The file itself, or the readable files below a folder, sorted by path.

    Raises:
        DataError: when a folder holds none.

    """
    if place.is_file():
        return [place]
    files = sorted(file for file in place.rglob("*") if file.is_file() and _suffix(file) in READERS)
    if not files:
        raise DataError(
            f"{place} holds no data file",
            why=f"files that can be read end in {', '.join(READERS)}",
            fix="name a file, or put one there",
            code="file-unreadable",
        )
    return files


def read_file(path: Path, *, encoding: str = "utf-8") -> Iterator[Read]:
    """The rows of one file; its name says the format (``.gz`` after it is opened on the way).

    Raises:
        DataError: when the whole file cannot be read: unknown kind, damaged, other encoding.

    """
    suffix = _suffix(path)
    if suffix not in READERS:
        near = nearest(suffix, READERS)
        raise unreadable(
            path,
            f"`{suffix or 'no ending'}` is not a kind of data file",
            f"did you mean `{near}`?" if near else f"write it as one of {', '.join(READERS)}",
        )
    try:
        for read in READERS[suffix](path, encoding):
            yield _fit(read, encoding)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise unreadable(path, f"it is damaged: {error}", "fetch or write it again") from error
    except UnicodeError as error:
        raise unreadable(
            path,
            f"it is not {encoding} text: {error}",
            "set `encoding` to that of the file: utf-8, utf-16, gb18030, big5 or cp1252",
        ) from error


def _fit(read: Read, encoding: str) -> Read:
    if isinstance(read, BadRow):
        return read
    try:
        fault = next((f for t in _texts(read.values) if (f := _fault(t, encoding))), None)
    except RecursionError:
        fault = ("nested too deep", "its values lie in one another beyond every use")
    return read if fault is None else BadRow(read.row, read.line, *fault)


def _fault(text: str, encoding: str) -> tuple[str, str] | None:
    """Reason and detail when ``text`` cannot be kept as UTF-8."""
    if "\0" in text:
        return "NUL character", "a cell holds a NUL character"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        # The handler "surrogateescape" turned the byte b into the character 0xDC00 + b.
        byte = ord(text[error.start]) - 0xDC00
        is_byte = 0x80 <= byte <= 0xFF
        detail = f"byte 0x{byte:02x} is not {encoding} text" if is_byte else "half a surrogate pair"
        return f"bad {encoding.upper()}", detail
    return None


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray)):
        for item in value:
            yield from _texts(item)


def _suffix(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix
