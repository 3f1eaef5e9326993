"""The ledger's SQLite file: opened, brought up to date, and its errors put into words."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from pathlib import Path
from typing import Final, NoReturn

from tunesmith.core.errors import StoreError
from tunesmith.core.migrations import MIGRATIONS
from tunesmith.core.store import disk_error

_LITTLE_BYTES: Final = 1 << 16
"""Less free space than this: the log's shared-memory file (32 KiB pieces) cannot grow."""


def connect(path: Path, *, readonly: bool) -> sqlite3.Connection:
    """The ledger's database with today's tables; made when it is not there and may be written.

    Raises:
        StoreError: when it is newer than this tunesmith, or ``readonly`` and without tables.
        sqlite3.DatabaseError: see `explain`.

    """
    if readonly:
        return _connect_readonly(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, isolation_level=None, timeout=30)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        _migrate(db, path)
    except BaseException:
        db.close()
        raise
    db.row_factory = sqlite3.Row
    return db


def _connect_readonly(path: Path) -> sqlite3.Connection:
    # A log that was not yet written back needs a folder that can be written; without one, and
    # without a log, the file itself is all there is and cannot change.
    log = path.with_name(f"{path.name}-wal")
    modes = ["mode=ro"] if log.exists() else ["mode=ro", "immutable=1"]
    for mode in modes:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, isolation_level=None)
        try:
            version = _version(db)
            _refuse_newer(version, path)
            _refuse_empty(version, path)
        except sqlite3.OperationalError:
            db.close()
            if mode == modes[-1]:
                raise
        except BaseException:
            db.close()
            raise
        else:
            break
    db.row_factory = sqlite3.Row
    return db


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    with db:
        db.execute("BEGIN IMMEDIATE")
        version = _version(db)
        _refuse_newer(version, path)
        for number, script in enumerate(MIGRATIONS[version:], version + 1):
            # Not executescript: it would end the transaction that keeps the steps whole.
            for statement in filter(str.strip, script.split(";")):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {number}")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _refuse_empty(version: int, path: Path) -> None:
    if version == 0:
        raise StoreError(
            f"{path} holds no runs yet",
            why="the command that made it was ended before its first run began",
            fix="tunesmith run",
            code="run-missing",
        )


def _refuse_newer(version: int, path: Path) -> None:
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{path} was written by a newer tunesmith",
            why=f"its tables are version {version}; this tunesmith knows {len(MIGRATIONS)}",
            fix="pip install --upgrade tunesmith",
            code="ledger-newer",
        )


def explain(path: Path, error: sqlite3.DatabaseError) -> NoReturn:
    """Raise what the database's error means for the user; one of our own making stays as it is."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_FULL") or (name.startswith("SQLITE_IOERR") and _is_full(path)):
        raise disk_error(OSError(errno.ENOSPC, str(error), str(path)), path.parent) from error
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        raise disk_error(OSError(errno.EACCES, str(error), str(path)), path.parent) from error
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        raise _damaged(path, error) from error
    if not name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR")):
        raise error
    raise StoreError(
        f"{path}: {error}",
        why="the ledger could not be read or written, so no result is acknowledged",
        fix="give the same command again; `tunesmith doctor` checks the project folder",
        code="ledger-write",
    ) from error


def _is_full(path: Path) -> bool:
    return shutil.disk_usage(path.parent).free < _LITTLE_BYTES


def _damaged(path: Path, error: sqlite3.Error) -> StoreError:
    return StoreError(
        f"{path} cannot be read: {error}",
        why="every result of this project is found through it",
        fix="restore the file from a backup, or rename the .tunesmith folder and run again",
        code="ledger-unreadable",
    )
