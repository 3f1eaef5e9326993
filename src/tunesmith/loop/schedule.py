"""The learning rate of each update."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Shape = Literal["constant", "linear", "cosine"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Grows from ``start`` to ``peak`` in ``warmup_steps``, then follows ``shape`` to ``steps``."""

    peak: float
    steps: int
    shape: Shape
    start: float = 0.0
    """Rate of the first update when there is a warm-up; a start above the peak counts as the peak."""
    warmup_steps: int = 0

    def rate(self, step: int) -> float:
        """Rate of update ``step``, counted from 0; the peak is reached at ``warmup_steps``.

        Linear falls to 0 at ``steps``; cosine is half a wave, Loshchilov and Hutter 2017
        (arXiv:1608.03983), eq. 5 without restarts.
        """
        if step < self.warmup_steps:
            start = min(self.start, self.peak)
            return start + (self.peak - start) * step / self.warmup_steps
        rest = max(1, self.steps - self.warmup_steps)
        done = min(1.0, (step - self.warmup_steps) / rest)
        if self.shape == "constant":
            return self.peak
        if self.shape == "linear":
            return self.peak * (1.0 - done)
        return self.peak * 0.5 * (1.0 + math.cos(math.pi * done))


def steps_of(rows: int, *, batch: int, epochs: float, max_steps: int = 0) -> int:
    """Updates of a training: ``max_steps``, or ``epochs`` passes over ``rows``, at least one."""
    if max_steps:
        return max_steps
    return max(1, math.ceil(math.ceil(rows / batch) * epochs))
