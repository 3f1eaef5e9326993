"""Dropped rows: one line each in ``drops.parquet``, and a few samples for each reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pyarrow as pa

from tunesmith.prepare.engine.tally import SAMPLES, Drop
from tunesmith.records.rows import TableWriter

_DROPS: Final = pa.schema(
    [
        ("step", pa.string()),
        ("reason", pa.string()),
        ("id", pa.string()),
        ("source", pa.string()),
        ("row", pa.int64()),
    ]
)


def write_drops(path: Path, drops: Iterable[Drop]) -> list[dict[str, object]]:
    """Write every drop; the first few of each step and reason come back, with their text."""
    shown: Counter[tuple[str, str]] = Counter()
    samples: list[dict[str, object]] = []
    with TableWriter(path, _DROPS) as writer:
        for drop in drops:
            body = drop.as_dict()
            shown[drop.step, drop.reason] += 1
            if shown[drop.step, drop.reason] <= SAMPLES:
                samples.append(body)
            writer.add({name: body[name] for name in _DROPS.names})
    return samples
