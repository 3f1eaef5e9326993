"""Memory, processor and GPU use of the server process while it is under load."""

from __future__ import annotations

import shutil
import subprocess
import threading
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any, Final

import psutil

_EVERY_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Use:
    """Peaks and means over the load."""

    peak_memory_bytes: int
    cpu: float
    """Mean share of all processors of this machine, in [0, 1]."""
    gpu: float | None
    """Mean share of time in which the GPU worked; None: no GPU."""
    gpu_memory_bytes: int | None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


class Watch:
    """Samples a process, with those it started, twice a second between ``with`` and its end."""

    def __init__(self, pid: int) -> None:
        process = psutil.Process(pid)
        # llama.cpp is a child; all of them are there before the load begins
        self._family = [process, *process.children(recursive=True)]
        self._stop = threading.Event()
        self._memory: list[int] = []
        self._cpu: list[float] = []
        self._gpu: list[tuple[float, int]] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        self._sample()  # the first share of a processor is always 0
        self._memory.clear()
        self._cpu.clear()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def use(self) -> Use:
        """What was seen so far."""
        return Use(
            peak_memory_bytes=max(self._memory, default=0),
            cpu=fmean(self._cpu) if self._cpu else 0.0,
            gpu=fmean(share for share, _ in self._gpu) if self._gpu else None,
            gpu_memory_bytes=max((size for _, size in self._gpu), default=None),
        )

    def _run(self) -> None:
        has_gpu = shutil.which("nvidia-smi") is not None
        while not self._stop.wait(_EVERY_SECONDS):
            try:
                self._sample()
            except psutil.Error:
                # the process has ended; what was seen before stands
                return
            if has_gpu:
                self._gpu.extend(_gpus())

    def _sample(self) -> None:
        processors = psutil.cpu_count() or 1
        self._memory.append(sum(one.memory_info().rss for one in self._family))
        self._cpu.append(sum(one.cpu_percent() for one in self._family) / 100 / processors)


def _gpus() -> list[tuple[float, int]]:
    """(share of time at work, bytes in use) of the first GPU; empty when it does not answer."""
    query = [
        "nvidia-smi",
        "--query-gpu=utilization.gpu,memory.used",
        "--format=csv,noheader,nounits",
    ]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=5, check=True)
        share, size = done.stdout.splitlines()[0].split(",")
        return [(float(share) / 100, int(size) << 20)]
    except (OSError, ValueError, IndexError, subprocess.SubprocessError):
        return []
