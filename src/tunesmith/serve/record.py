"""Requests of a load as ``traces.parquet``: what the client saw beside what the server wrote down."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tunesmith.privacy.find import mask
from tunesmith.records.rows import write_table
from tunesmith.serve.trace import read_traces

if TYPE_CHECKING:
    from tunesmith.serve.rehearsal import Asked

SCHEMA = pa.schema([
    ("id", pa.string()),
    ("row", pa.string()),
    ("due_seconds", pa.float64()),
    ("queued_seconds", pa.float64()),
    ("ttft_seconds", pa.float64()),
    ("total_seconds", pa.float64()),
    ("prompt_tokens", pa.int64()),
    ("completion_tokens", pa.int64()),
    ("status", pa.int64()),
    ("finish_reason", pa.string()),
    ("fault", pa.string()),
    ("prompt", pa.string()),
    ("answer", pa.string()),
])  # fmt: skip
"""Seconds are as the client counts them, from when the request was due; ``queued_seconds`` is the
server's wait for a slot. ``fault`` is empty for a normal request. Texts are masked."""


def write_traces(folder: Path, asked: Sequence[Asked], server_traces: Path) -> None:
    """Write ``traces.parquet``, one line for each request in the order in which they were due."""
    served = {str(one["id"]): one for one in read_traces(server_traces)}
    lines = (_line(one, served.get(one.seen.id, {})) for one in asked)
    write_table(folder / "traces.parquet", lines, SCHEMA)


def _line(one: Asked, trace: dict[str, Any]) -> dict[str, Any]:
    seen = one.seen
    queued, begun = trace.get("queued_at"), trace.get("started_at")
    return {
        "id": seen.id,
        "row": one.row.id,
        "due_seconds": one.due_seconds,
        "queued_seconds": begun - queued if begun is not None and queued is not None else None,
        "ttft_seconds": seen.ttft_seconds,
        "total_seconds": seen.total_seconds,
        "prompt_tokens": seen.prompt_tokens,
        "completion_tokens": seen.completion_tokens,
        "status": seen.status,
        "finish_reason": seen.finish_reason,
        "fault": seen.fault,
        "prompt": mask("\n".join(message.content for message in one.row.prompt)),
        "answer": mask(seen.text),
    }
