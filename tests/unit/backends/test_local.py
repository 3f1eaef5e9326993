"""The launcher's side of a worker process, against processes that behave badly."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tunesmith.backends import local
from tunesmith.backends.local import Worker
from tunesmith.core.errors import RunError
from tunesmith.core.lock import worker_lock


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Worker]]:
    """A worker whose process is a shell script; it is closed after the test."""
    made: list[Worker] = []
    with worker_lock(tmp_path / "worker.lock") as hold:

        def begin(script: str) -> Worker:
            monkeypatch.setattr(local, "warm", lambda: ["bash", "-c", script])
            made.append(Worker(tmp_path / "worker.log", hold))
            return made[-1]

        yield begin
        for worker in made:
            worker.close()


def answer(worker: Worker, seconds: float = 5.0) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        body = worker.answer(0.05)
        if body is not None:
            return body
    raise AssertionError("no answer came")


def test_an_answer_is_the_json_line_that_the_worker_says(started: Callable[[str], Worker]) -> None:
    worker = started('while read -r folder; do echo "{\\"folder\\": $folder}"; done')
    for name in ("a b", 'quote " and \n newline', "好"):
        worker.send(Path(name))
        assert answer(worker) == {"folder": name}


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("read folder; exit 3", "ended with exit status 3"),
        ("read folder; kill -9 $$", "was killed by signal 9 (signal 9 often means: out of memory)"),
        ("read folder; kill -15 $$", "was killed by signal 15"),
        ("read folder; sleep 60 & exit 3", "ended with exit status 3"),
        ("exit 3", "ended with exit status 3"),
    ],
)
def test_a_worker_that_dies_without_a_word_is_noticed_at_once(
    started: Callable[[str], Worker], script: str, words: str, tmp_path: Path
) -> None:
    worker = started(script)
    asked = time.monotonic()
    with pytest.raises(RunError) as caught:  # noqa: PT012 - either of the two may be the first to see it
        worker.send(Path("job"))
        answer(worker)
    assert time.monotonic() - asked < 3
    assert caught.value.what == f"the worker process {words}"
    assert (caught.value.code, str(tmp_path / "worker.log") in caught.value.fix) == (
        "worker-died",
        True,
    )


def test_the_last_word_of_a_worker_that_ended_still_counts(
    started: Callable[[str], Worker],
) -> None:
    worker = started('read folder; echo "{\\"seconds\\": 1}"; exit 0')
    worker.send(Path("job"))
    time.sleep(0.3)
    assert answer(worker) == {"seconds": 1}


def test_a_worker_that_ended_between_two_jobs_is_started_again(
    started: Callable[[str], Worker],
) -> None:
    worker = started('read folder; echo "{\\"process\\": $$}"')
    worker.send(Path("one"))
    first = answer(worker)
    time.sleep(0.3)
    worker.send(Path("two"))
    assert answer(worker) != first


def test_closing_ends_what_ignores_the_end_of_its_input(
    started: Callable[[str], Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_GRACE_SECONDS", 0.2)
    worker = started(
        "trap '' TERM; sleep 60 & read folder; echo \"[$!, $$]\"; while :; do sleep 1; done"
    )
    worker.send(Path("job"))
    child, process = map(psutil.Process, answer(worker))  # type: ignore[arg-type]
    worker.close()
    deadline = time.monotonic() + 2
    while any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in (child, process)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_memory_counts_the_worker_and_its_children(
    started: Callable[[str], Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_FAMILY_SECONDS", 0.0)
    # an answer shows that the program is there: before, memory is that of the process that forked
    worker = started(
        'read folder; echo "{}"; read folder; sleep 60 & sleep 0.2; echo "{}"; read folder'
    )
    assert worker.memory_bytes() == 0
    worker.send(Path("job"))
    answer(worker)
    alone = worker.memory_bytes()
    worker.send(Path("job"))
    answer(worker)
    assert worker.memory_bytes() > alone > 0
    worker.close()
    assert worker.memory_bytes() == 0


def test_stopping_and_killing_a_worker_that_was_never_started_does_nothing(
    started: Callable[[str], Worker],
) -> None:
    worker = started("exit 0")
    worker.stop()
    worker.kill()
    worker.close()


def test_a_worker_and_its_end_leave_no_file_open(started: Callable[[str], Worker]) -> None:
    before = len(os.listdir("/proc/self/fd"))
    worker = started('while read -r folder; do echo "{}"; done')
    worker.send(Path("job"))
    answer(worker)
    worker.close()
    deadline = time.monotonic() + 2
    while len(os.listdir("/proc/self/fd")) > before:
        assert time.monotonic() < deadline
        time.sleep(0.01)
