"""One line for each request in a JSONL file: its times and sizes, its texts with private data masked."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from tunesmith.records.conversation import Message
from tunesmith.serve.job import Job


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request ended; ``status`` is the HTTP status, 499 when the client left."""

    id: str
    status: int
    finish_reason: str
    completion_tokens: int
    answer: str
    ended_at: float


class TraceWriter:
    """Appends traces; safe to call from several threads."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: TextIO = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()

    def write(self, job: Job, messages: Sequence[Message], outcome: Outcome) -> None:
        """Append one request; its prompt and answer are masked before they reach the file."""
        from tunesmith.privacy.find import mask

        body = {
            "id": outcome.id,
            "status": outcome.status,
            "queued_at": job.queued_at,
            "started_at": job.started_at,
            "first_token_at": job.first_token_at,
            "ended_at": outcome.ended_at,
            "prompt_tokens": job.prompt_tokens,
            "completion_tokens": outcome.completion_tokens,
            "finish_reason": outcome.finish_reason,
            "messages": [[one.role, mask(one.content)] for one in messages],
            "answer": mask(outcome.answer),
        }
        line = json.dumps(body, ensure_ascii=False) + "\n"
        with self._lock:
            self._file.write(line)
            self._file.flush()

    def close(self) -> None:
        """Let the file go."""
        self._file.close()


def read_traces(path: Path) -> list[dict[str, object]]:
    """Every complete line of a trace file."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.endswith("\n")]
