"""The local backend: one warm worker process that takes one job after the other."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
from pathlib import Path

import psutil

from tunesmith.backends.launch import warm
from tunesmith.core.errors import RunError

_GRACE_SECONDS = 60.0


class Worker:
    """A worker process, started when the first job comes and ended by `close`.

    It runs in a session of its own, so that Ctrl-C reaches the launcher only, which then stops it
    in order. When the launcher is killed, the worker sees its standard input end and exits.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()

    def send(self, folder: Path) -> None:
        """Give the worker a job folder; starts the process if there is none."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        assert self._process is not None, "the process was just started"
        assert self._process.stdin is not None, "the worker is started with a pipe"
        self._process.stdin.write(f"{folder}\n")
        self._process.stdin.flush()

    def finished(self, seconds: float) -> bool:
        """Wait up to ``seconds`` for the job to end.

        Raises:
            RunError: when the process died without a word (killed, or out of memory).

        """
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            return False
        if line is None:
            raise self._death()
        return isinstance(json.loads(line), list)

    def memory_bytes(self) -> int:
        """Resident size of the worker and its children now; 0 when it is not running."""
        if self._process is None:
            return 0
        try:
            worker = psutil.Process(self._process.pid)
            family = [worker, *worker.children(recursive=True)]
            return sum(process.memory_info().rss for process in family)
        except psutil.Error:
            return 0

    def stop(self) -> None:
        """Ask the running job to stop at its next safe point."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()

    def close(self) -> None:
        """End the process: its standard input is closed, and it is killed if it does not go."""
        if self._process is None:
            return
        assert self._process.stdin is not None, "the worker is started with a pipe"
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            self.kill()
        try:
            self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _start(self) -> None:
        self._lines = queue.Queue()
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                warm(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                text=True, start_new_session=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )  # fmt: skip
        threading.Thread(
            target=_listen, args=(self._process, self._lines), daemon=True, name="worker output"
        ).start()

    def _death(self) -> RunError:
        assert self._process is not None, "a process that ended was started"
        code = self._process.wait()
        how = f"killed by signal {-code}" if code < 0 else f"ended with exit status {code}"
        memory = " (signal 9 often means: out of memory)" if code == -signal.SIGKILL else ""
        return RunError(
            f"the worker process was {how}{memory}" if code < 0 else f"the worker process {how}",
            why="the step it was running gave no result; earlier results are kept",
            fix=f"read {self._log}, then give the same command again: it goes on where it stopped",
            code="worker-died",
        )


def _listen(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout is not None, "the worker is started with a pipe"
    for line in process.stdout:
        # A library may print to standard output; only the worker's own words are JSON lists.
        if line.startswith('["'):
            lines.put(line)
    lines.put(None)
