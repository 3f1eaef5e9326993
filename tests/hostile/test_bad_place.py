"""A project on a read-only disk, and two commands that want one project at once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.lock import project_lock


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, which can be made read-only also for root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a file system needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def make_read_only(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)


def test_a_run_in_a_read_only_folder_is_told_with_the_path(
    make_project: Callable[..., Path], small_disk: Path, tunesmith_command: Callable[..., Any]
) -> None:
    project = Path(shutil.copytree(make_project(recipe="sft"), small_disk / "project"))
    make_read_only(small_disk)
    ended = tunesmith_command("run", "-C", project)
    told = ended.refusal("folder-read-only")
    assert str(project / ".tunesmith") in told
    assert "Read-only file system" in told
    assert ended.workers == ()
    dry = tunesmith_command("run", "-C", project, "--dry-run")
    assert dry.code == 0, "looking needs no writing"


def test_a_finished_project_on_a_read_only_disk_can_still_be_looked_at(
    finished_project: Path, small_disk: Path, tunesmith_command: Callable[..., Any]
) -> None:
    project = Path(shutil.copytree(finished_project, small_disk / "project"))
    make_read_only(small_disk)
    shown = tunesmith_command("show", "-C", project)
    assert shown.code == 0, shown.err
    assert "train" in shown.out
    assert tunesmith_command("show", "collect.rows", "-C", project).code == 0
    tunesmith_command("run", "-C", project).refusal("folder-read-only")
    told = tunesmith_command("report", "-C", project).refusal("folder-read-only")
    assert "/report.json cannot be opened or written" in told


def test_a_second_run_is_refused_within_a_second_naming_the_first(
    make_project: Callable[..., Path], tunesmith_command: Callable[..., Any]
) -> None:
    project = make_project(recipe="sft")
    with project_lock(project / ".tunesmith" / "lock", purpose="tunesmith run"):
        before = os.times()
        ended = tunesmith_command("run", "-C", project)
        after = os.times()
    told = ended.refusal("project-locked")
    assert f"`tunesmith run`, process {os.getpid()} on " in told
    assert "--wait" in told
    assert (
        after.children_user + after.children_system - before.children_user - before.children_system
        < 1.0
    )
    assert not (project / ".tunesmith" / "runs").exists()


def test_a_run_that_waits_goes_on_when_the_first_has_ended(
    make_project: Callable[..., Path],
) -> None:
    project = make_project(recipe="sft")
    command = [sys.executable, "-m", "tunesmith", "prepare", "-C", str(project), "--wait"]
    with project_lock(project / ".tunesmith" / "lock", purpose="test"):
        waiting = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(1.5)
        assert waiting.poll() is None
    out, err = waiting.communicate(timeout=60)
    assert (waiting.returncode, err) == (0, b"")
    assert b"2 steps ran" in out


def test_a_lock_whose_owner_was_killed_is_free(
    make_project: Callable[..., Path], tunesmith_command: Callable[..., Any]
) -> None:
    project = make_project(recipe="sft")
    first = subprocess.Popen(
        [sys.executable, "-m", "tunesmith", "prepare", "-C", str(project)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not (project / ".tunesmith" / "lock").exists():
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert tunesmith_command("prepare", "-C", project).code == 0
