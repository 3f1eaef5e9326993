"""Canonical digests: equal values have equal digests, on every machine and Python version."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path

_CHUNK_BYTES = 1 << 20


def canonical(value: object) -> bytes:
    """UTF-8 JSON with sorted keys and no spaces; NaN and infinities are refused.

    A float that is a whole number keeps its ``.0``: 1 and 1.0 are different settings.
    """
    return json.dumps(
        _checked(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode("utf-8")


def of_value(value: object) -> str:
    """SHA-256 of the canonical JSON of ``value``, 64 hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def of_bytes(data: bytes) -> str:
    """SHA-256 of ``data``, 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces, 64 hex digits."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK_BYTES):
            sha.update(piece)
    return sha.hexdigest()


def _checked(value: object) -> object:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        assert math.isfinite(value), f"{value} has no canonical form"
        return value + 0.0  # -0.0 equals 0.0, and equal values have equal digests
    if isinstance(value, Mapping):
        assert all(isinstance(key, str) for key in value), "keys of a digested mapping are text"
        return {key: _checked(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_checked(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no canonical form")
