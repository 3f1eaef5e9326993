"""The local backend: one warm worker process that takes one job after the other."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from tunesmith.backends.launch import warm
from tunesmith.core.errors import RunError
from tunesmith.core.lock import sign

_GRACE_SECONDS = 10.0
_FAMILY_SECONDS = 1.0


class Worker:
    """A worker process, started when the first job comes and ended by `close`.

    It runs in a session of its own, so that Ctrl-C reaches the launcher only, which then stops it
    in order. When the launcher is killed, the worker sees its standard input end and exits. It
    inherits ``hold``, the open file of `tunesmith.core.lock.worker_lock`.
    """

    def __init__(self, log: Path, hold: int) -> None:
        self._log = log
        self._hold = hold
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._family: list[psutil.Process] = []
        self._family_seen = 0.0

    def send(self, folder: Path) -> None:
        """Give the worker a job folder; starts the process if there is none.

        Raises:
            RunError: when the process died before it could take the job.

        """
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._start()
        assert self._process is not None, "the process was just started"
        assert self._process.stdin is not None, "the worker is started with a pipe"
        try:
            self._process.stdin.write(json.dumps(str(folder)) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._death() from None

    def answer(self, seconds: float) -> dict[str, Any] | None:
        """The body of the job's result, or None when ``seconds`` pass before it ends.

        Raises:
            RunError: when the process died without a word (killed, or out of memory).

        """
        assert self._process is not None, "a job was sent"
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            if self._process.poll() is None:
                return None
            # Its pipe may stay open in a child of its own, so the end of the pipe is not awaited.
            line = self._last_line()
        if line is None:
            raise self._death()
        body: dict[str, Any] = json.loads(line)
        return body

    def memory_bytes(self) -> int:
        """Resident size of the worker and its children now; 0 when it is not running."""
        if self._process is None:
            return 0
        try:
            # Looking for children reads all of /proc, which would cost a tenth of a small machine.
            if time.monotonic() - self._family_seen > _FAMILY_SECONDS:
                worker = psutil.Process(self._process.pid)
                self._family = [worker, *worker.children(recursive=True)]
                self._family_seen = time.monotonic()
        except psutil.Error:
            return 0
        return sum(map(_resident_bytes, self._family))

    def stop(self) -> None:
        """Ask the running job to stop at its next safe point."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process, and what it started, at once."""
        if self._process is not None:
            # The session's number is the worker's own, and is not given anew while a member lives.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the process: its standard input is closed, and it is killed if it does not go."""
        if self._process is None:
            return
        assert self._process.stdin is not None, "the worker is started with a pipe"
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_SECONDS)
        self.kill()
        self._process.wait()
        self._process = None
        self._family, self._family_seen = [], 0.0

    def _start(self) -> None:
        self._lines = queue.Queue()
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                warm(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                encoding="utf-8", start_new_session=True, pass_fds=(self._hold,),
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )  # fmt: skip
        threading.Thread(
            target=_listen, args=(self._process, self._lines), daemon=True, name="worker output"
        ).start()
        sign(self._hold, self._log, self._process.pid, "tunesmith.worker")

    def _last_line(self) -> str | None:
        try:
            return self._lines.get(timeout=1.0)
        except queue.Empty:
            return None

    def _death(self) -> RunError:
        assert self._process is not None, "a process that ended was started"
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        self.kill()
        code = self._process.wait()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit status {code}"
        memory = " (signal 9 often means: out of memory)" if code == -signal.SIGKILL else ""
        return RunError(
            f"the worker process {how}{memory}",
            why="the step it was running gave no result; earlier results are kept",
            fix=f"read {self._log}, then give the same command again: it goes on where it stopped",
            code="worker-died",
        )


def _listen(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout is not None, "the worker is started with a pipe"
    with process.stdout:
        for line in process.stdout:
            lines.put(line)
    lines.put(None)


def _resident_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
