"""One event stream, ``events.jsonl``: terminal, ledger, report and trackers are its readers.

A line is one event: ``{"at": seconds since 1970, "kind": ..., ...}``. Only rank 0 writes. A torn
last line (the writer was killed) is left for the next read, or skipped when the file is final.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

EventKind = Literal[
    "started",
    "progress",
    "point",
    "metric",
    "gate",
    "accounting",
    "fact",
    "note",
    "finished",
    "failed",
]

KINDS: Final = frozenset(
    (
        "started",
        "progress",
        "point",
        "metric",
        "gate",
        "accounting",
        "fact",
        "note",
        "finished",
        "failed",
    )
)

Event = Mapping[str, Any]


class EventWriter:
    """Appends events to a file, one flushed line each; safe to call from several threads."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _end_torn_line(path)
        self._file = path.open("ab")
        self._lock = threading.Lock()

    def write(self, kind: EventKind, **body: object) -> None:
        """Append one event; ``body`` holds JSON values only, and what is not finite becomes null."""
        event = {"at": time.time(), "kind": kind, **body}
        try:
            text = json.dumps(event, ensure_ascii=False, allow_nan=False)
        except ValueError:
            text = json.dumps(_finite(event), ensure_ascii=False, allow_nan=False)
        with self._lock:
            # A lone surrogate (from a broken \\u escape in a user's row) has no UTF-8: it becomes "?".
            self._file.write(text.encode("utf-8", "replace") + b"\n")
            self._file.flush()

    def close(self) -> None:
        """Make the events durable and let the file go."""
        with self._lock, self._file:
            self._file.flush()
            os.fsync(self._file.fileno())


class EventReader:
    """Reads the events that were appended since the last call."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self._path = path
        self._offset = offset

    def new(self) -> Iterator[dict[str, Any]]:
        """Complete lines past the last position; lines that are not JSON objects are skipped."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                event = _parsed(line)
                if event is not None:
                    yield event


def read(path: Path) -> list[dict[str, Any]]:
    """Every complete event of a file."""
    return list(EventReader(path).new())


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and event.get("kind") in KINDS else None


def _finite(value: object) -> object:
    """The value with null for every NaN and infinity: a diverged loss is a gap in its curve."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def _end_torn_line(path: Path) -> None:
    """End a line that a killed writer left open, so that the next event starts on its own."""
    if path.exists() and path.stat().st_size:
        with path.open("rb+") as file:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
