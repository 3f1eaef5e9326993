"""The most memory this process held while something ran."""

from __future__ import annotations

import threading
from types import TracebackType

import psutil


class PeakMemory:
    """Samples the resident set while the ``with`` block runs; a warm worker's past does not count."""

    def __init__(self, *, every_seconds: float = 0.05) -> None:
        self._process = psutil.Process()
        self._every = every_seconds
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.before = int(self._process.memory_info().rss)
        """Bytes resident when the block began."""
        self.peak = self.before
        """Most bytes resident so far, in the whole process."""

    def now(self) -> int:
        """Bytes resident at this moment."""
        rss = int(self._process.memory_info().rss)
        self.peak = max(self.peak, rss)
        return rss

    def peak_on(self, device: str) -> int:
        """Most bytes held where the model is: on the GPU if it is there, else in this process."""
        if device == "cpu":
            return self.peak
        import torch

        return int(torch.cuda.max_memory_allocated(device))

    def __enter__(self) -> PeakMemory:
        """Begin to sample."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Sample once more and stop."""
        self._done.set()
        self._thread.join()
        self.now()

    def _watch(self) -> None:
        while not self._done.wait(self._every):
            self.now()
