"""A disk that is full, or read-only, for real: a small file system in memory, mounted for the test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tunesmith.core.artifact import Draft
from tunesmith.core.errors import StoreError, TunesmithError
from tunesmith.core.ledger import Ledger, Record
from tunesmith.core.lock import project_lock
from tunesmith.core.store import Store

COMPONENT = Path(__file__).parents[1] / "component"
STAGES = ("Count", "Add", "Slow", "Judge")
ROOM = 8192
"""Bytes that publishing needs beside the draft itself: the manifest's page, and one to be sure."""


class Rows:
    """Rows."""

    name: ClassVar[str] = "rows"
    version: ClassVar[int] = 1


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of one mebibyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, *, leave: int = 0) -> Path:
    """Write a file that leaves ``leave`` bytes of the file system free."""
    filler = folder / "filler"
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    filler.write_bytes(b"\x01" * max(0, free - leave))
    return filler


def remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)


def draft(folder: Path, size: int) -> Draft[Rows]:
    folder.mkdir()
    (folder / "rows").write_bytes(b"r" * size)
    return Draft(folder)


def record(key: str) -> Record:
    return Record(key, "make", 1, {}, 0, 0.0, 0, {}, {"rows": ("rows", "d" * 64)})


# the store


@pytest.mark.parametrize("leave", [0, ROOM])
def test_a_full_disk_while_publishing_is_told_and_room_mends_it(small: Path, leave: int) -> None:
    store = Store(small / "store")
    old = store.publish(draft(small / "old", 1000), Rows).digest
    given = draft(small / "new", 900)
    filler = fill(small, leave=leave)
    try:
        store.publish(given, Rows)
    except StoreError as error:
        codes = [error.code]
    else:
        codes = []
    assert codes == (["disk-full"] if leave < ROOM else [])
    found = list(store.addresses())
    assert old in found
    assert len(found) == (1 if leave < ROOM else 2)
    assert all(store.verify(address) == [] for address in found)
    filler.unlink()
    store.sweep()
    again = store.publish(draft(small / "again", 900), Rows)
    assert store.verify(again.digest) == []


def test_a_read_only_folder_is_told_and_what_is_there_is_still_read(small: Path) -> None:
    store = Store(small / "store")
    old = store.publish(draft(small / "old", 1000), Rows).digest
    given = draft(small / "new", 2000)
    remount(small, "ro")
    with pytest.raises(StoreError) as caught:
        store.publish(given, Rows)
    assert caught.value.code == "folder-read-only"
    assert "Read-only file system" in caught.value.why
    assert (store.has(old), store.verify(old)) == (True, [])


# the ledger


def test_an_acknowledgement_on_a_full_disk_is_told_and_is_not_half_there(small: Path) -> None:
    path = small / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.acknowledge(record("old"))
        filler = fill(small)
        note = {"at": 0, "kind": "note", "text": "x" * 4_000_000}
        with pytest.raises(StoreError) as caught:
            ledger.add_events("new", [note])
        assert caught.value.code == "disk-full"
        with pytest.raises(StoreError):
            ledger.acknowledge(record("new"))
        assert ledger.result("old") is not None
        assert ledger.result("new") is None
        filler.unlink()
        ledger.acknowledge(record("new"))
    with Ledger(path, readonly=True) as ledger:
        assert ledger.result("new") is not None


def test_a_ledger_that_cannot_be_made_for_want_of_room_says_so(small: Path) -> None:
    fill(small)
    with pytest.raises(StoreError) as caught:
        Ledger(small / "ledger.sqlite")
    assert caught.value.code == "disk-full"


def test_a_ledger_on_a_read_only_disk_is_read_and_refuses_to_be_written(small: Path) -> None:
    path = small / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.acknowledge(record("old"))
    remount(small, "ro")
    with Ledger(path, readonly=True) as ledger:
        assert ledger.result("old") is not None
    with pytest.raises(StoreError) as caught, Ledger(path) as ledger:
        ledger.acknowledge(record("new"))
    assert caught.value.code == "folder-read-only"


def test_a_ledger_whose_launcher_was_killed_is_read_on_a_disk_now_read_only(small: Path) -> None:
    path = small / "ledger.sqlite"
    child = os.fork()
    if child == 0:
        Ledger(path).acknowledge(record("old"))
        os._exit(9)
    os.waitpid(child, 0)
    remount(small, "ro")
    with Ledger(path, readonly=True) as ledger:
        assert ledger.result("old") is not None


@pytest.mark.parametrize("how", ["full", "ro"])
def test_a_lock_that_cannot_be_written_is_told(small: Path, how: str) -> None:
    if how == "ro":
        remount(small, "ro")
    else:
        (small / "lock").touch()
        fill(small)
    with pytest.raises(StoreError) as caught, project_lock(small / "lock", purpose="test"):
        pytest.fail("it cannot be signed")
    assert caught.value.code == ("disk-full" if how == "full" else "folder-read-only")


# a whole run

STEPS = [
    {"name": "count", "stage": "count", "config": {"until": 10}},
    {"name": "large", "stage": "count", "config": {"until": 30_000}},
    {"name": "sum", "stage": "add", "inputs": {"parts": ["count.numbers", "large.numbers"]}},
]


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """Environment in which the small stages of the component tests are installed."""
    info = tmp_path / "installed" / "spine-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: spine\nVersion: 1\n")
    lines = "".join(f"{name.lower()} = spine_stages:{name}\n" for name in STAGES)
    (info / "entry_points.txt").write_text(f"[tunesmith.stages]\n{lines}")
    paths = [str(info.parent), str(COMPONENT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def run(project: Path, environment: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """Exit status and last word of a launcher."""
    command = [sys.executable, str(COMPONENT / "spine_launch.py"), str(project), json.dumps(STEPS)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("leave", [0, 100, 200, 300, 400])
def test_a_run_on_a_full_disk_says_so_keeps_what_was_done_and_goes_on(
    small: Path, installed: dict[str, str], tmp_path: Path, leave: int
) -> None:
    """``leave`` KiB are free: the run ends at the lock, the ledger, a job, a result, or not at all."""
    filler = fill(small, leave=leave * 1024)
    status, last = run(small, installed)
    if last["end"] == "error":
        assert (status, last["error"]["code"]) == (2, "disk-full"), last
    before = sorted(Store(small / ".tunesmith" / "store").addresses())
    filler.unlink()
    remount(small, "size=16m")
    status, last = run(small, installed)
    assert (status, last["end"]) == (0, "done")
    (tmp_path / "roomy").mkdir()
    assert run(tmp_path / "roomy", installed)[1] == last
    store = Store(small / ".tunesmith" / "store")
    assert set(before) <= set(store.addresses())
    assert all(store.verify(address) == [] for address in store.addresses())


def test_a_project_on_a_read_only_disk_is_told_at_once(
    small: Path, installed: dict[str, str]
) -> None:
    remount(small, "ro")
    status, last = run(small, installed)
    assert (status, last["error"]["code"]) == (2, "folder-read-only")


def test_a_disk_error_is_an_error_for_the_user() -> None:
    assert issubclass(StoreError, TunesmithError)
    assert StoreError.exit_code == 2
