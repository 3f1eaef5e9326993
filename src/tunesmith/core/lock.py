"""One writer for each project: an ``flock`` that the kernel releases when its owner dies."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tunesmith.core.errors import StoreError
from tunesmith.core.store import disk_error

_POLL_SECONDS = 0.05
_WORKER_SECONDS = 10.0
"""A worker whose launcher died ends at once, unless it hangs in a call that holds Python's lock."""


@contextmanager
def project_lock(path: Path, *, purpose: str, wait: bool = False) -> Iterator[None]:
    """Hold the project's lock; ``purpose`` is the command that a second user is told.

    Raises:
        StoreError: at once, naming the owner, when another process holds it and ``wait`` is false.

    """
    handle = _opened(path)
    try:
        if not _acquired(handle, path, seconds=float("inf") if wait else 0.0):
            raise StoreError(
                f"another run is using this project: {_owner(handle)}",
                why="two runs at once would do the same work twice and mix their events",
                fix="wait for it (`--wait`), or stop it with Ctrl-C in its terminal",
                code="project-locked",
            )
        sign(handle, path, os.getpid(), purpose)
        yield
    finally:
        os.close(handle)


@contextmanager
def worker_lock(path: Path) -> Iterator[int]:
    """Hold the lock that says a worker may be at work; hand the open file to the worker process.

    The kernel frees it only when the launcher *and* its worker are gone, so that a new worker
    never meets one that outlives a killed launcher for a moment.

    Raises:
        StoreError: when the worker of an earlier run does not end within ten seconds.

    """
    handle = _opened(path)
    try:
        if not _acquired(handle, path, seconds=_WORKER_SECONDS):
            raise StoreError(
                f"a worker of an earlier run has not ended yet: {_owner(handle)}",
                why="its launcher is gone, and it still writes where this run would write",
                fix="wait a little and give the same command again, or end that process",
                code="worker-left",
            )
        yield handle
    finally:
        os.close(handle)


def sign(handle: int, path: Path, process: int, purpose: str) -> None:
    """Write into a held lock whose it is, for the error of the one who finds it taken."""
    owner = {
        "pid": process, "host": socket.gethostname(),
        "purpose": purpose, "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }  # fmt: skip
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(owner).encode(), 0)
    except OSError as error:
        raise disk_error(error, path.parent) from error


def _opened(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise disk_error(error, path.parent) from error


def _acquired(handle: int, path: Path, *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        except OSError as error:
            raise disk_error(error, path.parent) from error


def _owner(handle: int) -> str:
    try:
        owner = json.loads(os.pread(handle, 4096, 0))
        return f"`{owner['purpose']}`, process {owner['pid']} on {owner['host']}, since {owner['since']}"
    except (ValueError, KeyError, TypeError):
        return "its process has only just started"
