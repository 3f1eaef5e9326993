"""One writer for each project, and one worker."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunesmith.core import lock
from tunesmith.core.errors import StoreError
from tunesmith.core.lock import project_lock, worker_lock

HOLD = """
import sys, time
from pathlib import Path
from tunesmith.core.lock import project_lock
with project_lock(Path(sys.argv[1]), purpose="tunesmith run"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "lock"


@pytest.fixture
def owner(path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_is_refused_within_a_second_and_told_the_owner(
    path: Path, owner: subprocess.Popen[str]
) -> None:
    asked = time.monotonic()
    with pytest.raises(StoreError) as caught, project_lock(path, purpose="second"):
        pytest.fail("it is held")
    assert time.monotonic() - asked < 1
    assert caught.value.code == "project-locked"
    assert f"`tunesmith run`, process {owner.pid} on " in caught.value.what


def test_the_lock_is_free_when_its_owner_was_killed(
    path: Path, owner: subprocess.Popen[str]
) -> None:
    owner.kill()
    owner.wait()
    with project_lock(path, purpose="second"):
        pass


def test_who_waits_gets_the_lock_when_the_owner_is_gone(
    path: Path, owner: subprocess.Popen[str]
) -> None:
    threading.Timer(0.2, owner.kill).start()
    asked = time.monotonic()
    with project_lock(path, purpose="second", wait=True):
        assert time.monotonic() - asked > 0.15


def test_the_lock_is_free_after_the_block_and_after_an_error(path: Path) -> None:
    with pytest.raises(KeyError), project_lock(path, purpose="first"):
        raise KeyError
    with project_lock(path, purpose="second"):
        pass


def test_the_same_process_cannot_hold_it_twice(path: Path) -> None:
    with project_lock(path, purpose="first"):
        with (
            pytest.raises(StoreError, match=str(os.getpid())),
            project_lock(path, purpose="second"),
        ):
            pytest.fail("it is held")
        with pytest.raises(StoreError), project_lock(path, purpose="third"):
            pytest.fail("the second try must not free it")


def test_a_child_does_not_inherit_the_projects_lock(path: Path) -> None:
    with project_lock(path, purpose="first"):
        child = subprocess.Popen(["sleep", "30"], close_fds=False)
    try:
        with project_lock(path, purpose="second"):
            pass
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("left", ["", "{", "[]", "null", '{"pid": 1}'])
def test_an_owner_that_has_not_signed_yet_does_not_confuse_the_error(path: Path, left: str) -> None:
    with project_lock(path, purpose="first"):
        path.write_text(left)
        with (
            pytest.raises(StoreError, match="only just started"),
            project_lock(path, purpose="second"),
        ):
            pytest.fail("it is held")


def test_the_workers_lock_is_held_as_long_as_a_process_that_was_given_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_WORKER_SECONDS", 0.2)
    with worker_lock(path) as handle:
        child = subprocess.Popen(["sleep", "30"], pass_fds=(handle,))
        lock.sign(handle, path, child.pid, "tunesmith.worker")
    with pytest.raises(StoreError, match=f"process {child.pid}") as caught, worker_lock(path):
        pytest.fail("the child holds it")
    assert caught.value.code == "worker-left"
    child.kill()
    child.wait()
    with worker_lock(path):
        pass


def test_a_lock_file_in_a_place_that_is_no_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError) as caught, project_lock(tmp_path / "file" / "lock", purpose="x"):
        pytest.fail("there is no such folder")
    assert caught.value.code == "disk-error"
