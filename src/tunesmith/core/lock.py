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

_POLL_SECONDS = 0.2


@contextmanager
def project_lock(path: Path, *, purpose: str, wait: bool = False) -> Iterator[None]:
    """Hold the project's lock; ``purpose`` is the command that a second user is told.

    Raises:
        StoreError: at once, naming the owner, when another process holds it and ``wait`` is false.

    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise disk_error(error, path.parent) from error
    try:
        _acquire(handle, path, wait=wait)
        owner = {
            "pid": os.getpid(), "host": socket.gethostname(),
            "purpose": purpose, "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        }  # fmt: skip
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(owner).encode(), 0)
        yield
    finally:
        os.close(handle)


def _acquire(handle: int, path: Path, *, wait: bool) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if not wait:
                raise StoreError(
                    f"another run is using this project: {_owner(handle)}",
                    why="two runs at once would do the same work twice and mix their events",
                    fix="wait for it (`--wait`), or stop it with Ctrl-C in its terminal",
                    code="project-locked",
                ) from None
            time.sleep(_POLL_SECONDS)


def _owner(handle: int) -> str:
    try:
        owner = json.loads(os.pread(handle, 4096, 0))
        return f"`{owner['purpose']}`, process {owner['pid']} on {owner['host']}, since {owner['since']}"
    except (ValueError, KeyError, TypeError):
        return "its process has only just started"
