"""Fetched files, kept by the SHA-256 of their bytes; safe for several processes at once.

Layout of the folder (every part may be deleted at any time):

    files/<sha256>/<file name>       an archive or a file, as it was served
    opened/<sha256>/<path's digest>/<name>    what was taken out of the archive with that digest
    named/<name>.json                {"sha256", "file_name"}: which file a pinned name gave
    locks/<name>.lock                held with flock while a name is being fetched
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tunesmith.core.digest import of_file
from tunesmith.core.lock import project_lock


@contextmanager
def held(cache: Path, name: str) -> Iterator[None]:
    """Hold the lock called ``name``; waits for another process that fetches the same thing.

    The kernel lets the lock go when its holder dies, so a killed fetch never blocks the next one.
    """
    lock = cache / "locks" / f"{_safe(name)}.lock"
    with project_lock(lock, purpose=f"fetching {name}", wait=True):
        yield


@contextmanager
def work_folder(cache: Path) -> Iterator[Path]:
    """A new folder on the cache's own disk (so that a rename is atomic), removed afterwards."""
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".work-", dir=cache) as folder:
        yield Path(folder)


def put_file(cache: Path, file: Path, name: str) -> Path:
    """Move a complete ``file`` to its place by digest and remember it under ``name``."""
    digest = of_file(file)
    place = cache / "files" / digest / file.name
    if not place.exists():
        publish(file, place)
    record = cache / "named" / f"{_safe(name)}.json"
    write_text(record, json.dumps({"sha256": digest, "file_name": file.name}))
    return place


def named_file(cache: Path, name: str) -> Path | None:
    """The file remembered under ``name``; None when it was never fetched or has been deleted."""
    record = cache / "named" / f"{_safe(name)}.json"
    try:
        body = json.loads(record.read_text("utf-8"))
        place = cache / "files" / body["sha256"] / body["file_name"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return place if place.is_file() else None


def publish(made: Path, place: Path) -> None:
    """Rename a complete file or folder to its place; another process's equal one wins."""
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.rename(made, place)
    except OSError:
        # A folder cannot be renamed onto a full one: the other process was quicker.
        if not place.exists():
            raise
        if made.is_dir():
            shutil.rmtree(made)


def write_text(path: Path, text: str) -> None:
    """Write a small file so that a reader sees all of it or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".part-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._=+-]", "_", name)
