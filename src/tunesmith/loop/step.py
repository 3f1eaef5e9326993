"""One update: every part's gradients summed, divided once by all loss tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

from tunesmith.loop.optimizer import Optimizer

Part = TypeVar("Part")

Objective = Callable[[Part], tuple[Tensor, int]]
"""Part of a batch -> (summed loss, number of loss tokens)."""


@dataclass(frozen=True, slots=True)
class Gradient:
    """What `accumulate` gathered: the loss of all parts, in nats, and the tokens it is summed over."""

    loss: float
    tokens: int

    @property
    def mean(self) -> float:
        """Nats a loss token; NaN when there is none."""
        return self.loss / self.tokens if self.tokens else math.nan


def accumulate(objective: Objective[Part], parts: Iterable[Part], optimizer: Optimizer) -> Gradient:
    """Sum the gradients of ``parts`` into the optimizer; nothing is divided yet.

    A mean of means would weigh a short answer more, the smaller the part it stands in.
    """
    optimizer.clear()
    total, tokens = 0.0, 0
    for part in parts:
        loss, n = objective(part)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own stub has no types here
        optimizer.gather()
        total, tokens = total + loss.item(), tokens + n
    return Gradient(total, tokens)
