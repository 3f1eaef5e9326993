"""A server process that is started for a while, and stopped whatever happens."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tunesmith.core.errors import RunError
from tunesmith.core.stage import Context
from tunesmith.serve.config import ServerConfig
from tunesmith.serve.process import KEY_VARIABLE, job_of
from tunesmith.serve.served import Served

_START_SECONDS: Final = 300.0
_LOG_TAIL: Final = 2000


@dataclass(frozen=True, slots=True)
class Started:
    """A server that answers."""

    url: str
    key: str
    model: str
    pid: int
    traces: Path


@contextmanager
def started(served: Served, config: ServerConfig, ctx: Context) -> Iterator[Started]:
    """Start the server on a free port of this machine; SIGTERM and a wait at the end."""
    folder = ctx.draft("server")
    job, traces, key = folder / "job.json", folder / "traces.jsonl", secrets.token_urlsafe(24)
    job.write_text(json.dumps(job_of(served, config, ctx.resources, traces)), encoding="utf-8")
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tunesmith.serve.process", str(job)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, KEY_VARIABLE: key},
        )
    try:
        ready = _await(process, folder, ctx)
        yield Started(ready["url"], key, ready["model"], process.pid, traces)
    finally:
        _stop(process, config.drain_seconds)


def _await(process: subprocess.Popen[bytes], folder: Path, ctx: Context) -> dict[str, str]:
    deadline = time.monotonic() + _START_SECONDS
    while not (folder / "ready.json").exists():
        ctx.check_stop()
        if process.poll() is not None or time.monotonic() > deadline:
            raise _did_not_start(folder / "server.log")
        time.sleep(0.05)
    ready: dict[str, str] = json.loads((folder / "ready.json").read_text(encoding="utf-8"))
    return ready


def _stop(process: subprocess.Popen[bytes], drain_seconds: float) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(drain_seconds + 10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _did_not_start(log: Path) -> RunError:
    tail = log.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL:].strip()
    return RunError(
        "the server process ended before it answered",
        why=tail or "it wrote nothing",
        fix="mend what the last lines say; `tunesmith serve` shows the same error",
        code="server-start",
    )
