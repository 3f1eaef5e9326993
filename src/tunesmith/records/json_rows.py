"""Rows of JSON lines and of JSON arrays, one at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO

from tunesmith.records.raw import LONGEST_LINE, BadRow, RawRow, Read, open_text, unreadable

_CHUNK: Final = 1 << 20
"""Characters read at once from a JSON array."""


def json_lines(path: Path, encoding: str) -> Iterator[Read]:
    """One object on each line; empty lines are no rows."""
    with open_text(path, encoding) as file:
        row = -1
        for line, text in _lines(file):
            if not text.strip():
                continue
            row += 1
            yield _parsed(row, line, text)


def _parsed(row: int, line: int, text: str) -> Read:
    if len(text) >= LONGEST_LINE:
        return BadRow(row, line, "line too long", f"more than {LONGEST_LINE:,} characters")
    if "\0" in text:
        return BadRow(row, line, "NUL character", "the line holds a NUL character")
    try:
        # Without its end the line's own faults are named, such as a quote that is never closed.
        values = json.loads(text.rstrip("\r\n"))
    except json.JSONDecodeError as error:
        return BadRow(row, line, "broken JSON", f"{error.msg} at character {error.pos + 1}")
    except (ValueError, RecursionError) as error:
        return BadRow(row, line, "broken JSON", str(error))
    if not isinstance(values, dict):
        return BadRow(row, line, "not an object", f"a {type(values).__name__}, not an object")
    return RawRow(row, line, values)


def _lines(file: TextIO) -> Iterator[tuple[int, str]]:
    """Numbered lines; the part of a line beyond the longest is read and forgotten."""
    number = 0
    while text := file.readline(LONGEST_LINE):
        number += 1
        rest = text
        while rest and not rest.endswith(("\n", "\r")):
            rest = file.readline(LONGEST_LINE)
        yield number, text


def json_array(path: Path, encoding: str) -> Iterator[Read]:
    """A JSON array of objects; a file that begins with an object is read as JSON lines."""
    with open_text(path, encoding) as file:
        first = _first_mark(file)
    if first == "{":
        yield from json_lines(path, encoding)
        return
    if first != "[":
        raise unreadable(
            path, "it is neither a JSON array nor JSON lines", "write one object on each line"
        )
    with open_text(path, encoding) as file:
        for row, value in enumerate(_array_items(file, path)):
            if isinstance(value, dict):
                yield RawRow(row, 0, value)
            else:
                kind = type(value).__name__
                yield BadRow(row, 0, "not an object", f"a {kind}, not an object")


def _first_mark(file: TextIO) -> str:
    while piece := file.read(_CHUNK):
        if mark := piece.lstrip():
            return mark[0]
    return ""


def _array_items(file: TextIO, path: Path) -> Iterator[object]:
    """Items of a JSON array, one at a time; the text is read in pieces and dropped behind."""
    decoder = json.JSONDecoder()
    text, done, line = file.read(_CHUNK), 0, 1
    done = text.index("[") + 1
    wanted = _CHUNK
    while True:
        while done < len(text) and text[done] in " \t\r\n,":
            done += 1
        if text[done : done + 1] == "]":
            return
        try:
            value, end = decoder.raw_decode(text, done)
        except (ValueError, RecursionError) as error:
            piece = file.read(wanted)
            if not piece or len(text) - done > LONGEST_LINE:
                line += text.count("\n", 0, getattr(error, "pos", done))
                raise unreadable(
                    path,
                    f"the JSON is broken near line {line}: {error}",
                    "mend that line, or write one object on each line (.jsonl), where the rest goes on",
                ) from error
            line += text.count("\n", 0, done)
            text, done = text[done:] + piece, 0
            wanted *= 2  # Else an item much longer than a piece is tried again and again.
            continue
        yield value
        done, wanted = end, _CHUNK
