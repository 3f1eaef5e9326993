"""The one training loop: update, tell, validate, save, stop; and go on where a killed one was.

What is learnt is a function (`tunesmith.loop.step.Objective`), so supervised tuning and preference
optimisation share every line of this. `docs/by-hand/sft.py` is the same on one page.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Generic, Protocol, TypeVar

from torch import Tensor

from tunesmith.core.errors import RunError, Stopped
from tunesmith.core.stage import Context
from tunesmith.loop import checkpoint as checkpoints
from tunesmith.loop.checkpoint import Checkpoint
from tunesmith.loop.memory import PeakMemory
from tunesmith.loop.optimizer import Optimizer
from tunesmith.loop.sampler import Sampler
from tunesmith.loop.schedule import Schedule
from tunesmith.loop.step import Gradient, Objective, accumulate

_SAVE_SECONDS = 60.0
"""Work between two checkpoints when no number of steps is set."""


class Counted(Protocol):
    """A part of a batch that knows how many tokens it makes the model read."""

    @property
    def tokens(self) -> int: ...


Part = TypeVar("Part", bound=Counted)


@dataclass(frozen=True, slots=True)
class Job(Generic[Part]):
    """What is trained on, and what is minimised."""

    sampler: Sampler
    parts: Callable[[int, Sequence[int]], Iterable[Part]]
    """Number of the update and its rows -> the parts that are forwarded one after the other."""
    objective: Objective[Part]
    row_name: Callable[[int], str]
    """What an error calls a row."""
    validate: Callable[[], float] | None = None
    """The validation loss in nats a token; None when there is nothing to validate on."""


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How long, how fast, and when to measure and save."""

    schedule: Schedule
    identity: str
    """Digest of settings, inputs and seed: only a checkpoint of the same training is resumed."""
    worst_loss: float
    """Mean loss in nats above which training has certainly diverged: ln(vocabulary), or ln 2 and up."""
    eval_every: int = 0
    """Updates between two validations; 0 means only before the first and after the last."""
    save_every: int = 0
    """Updates between two checkpoints; 0 means after a minute."""
    patience: int = 0
    """Validations without a lower loss after which training ends; 0 means never."""
    keep_best: bool = True
    unit: str = "nats a token"
    label: str = "train"


@dataclass(slots=True)
class Progress:
    """What the loop remembers from update to update; part of every checkpoint."""

    step: int = 0
    tokens: int = 0
    loss_tokens: int = 0
    seconds: float = 0.0
    """Spent in updates, validation and saving not counted."""
    first_loss: float | None = None
    last_loss: float | None = None
    first_valid: float | None = None
    best_valid: float | None = None
    best_step: int = 0
    waited: int = 0
    """Validations since the best one."""
    best: dict[str, Tensor] = field(default_factory=dict)


def fit(
    job: Job[Part],
    settings: FitSettings,
    optimizer: Optimizer,
    *,
    ctx: Context,
    memory: PeakMemory,
) -> Progress:
    """Train to the end of the schedule; the optimizer then holds the result's weights.

    Raises:
        Stopped: after a checkpoint of the last whole update was made durable.
        RunError: when the loss is no longer a number or exploded, naming the rows of the batch.

    """
    return _Fit(job, settings, optimizer, ctx, memory).run()


class _Fit(Generic[Part]):
    def __init__(
        self,
        job: Job[Part],
        settings: FitSettings,
        optimizer: Optimizer,
        ctx: Context,
        memory: PeakMemory,
    ) -> None:
        self._job, self._settings, self._optimizer, self._ctx = job, settings, optimizer, ctx
        self._memory = memory
        self._at = Progress()
        self._saved_step = 0
        self._saved_at = time.monotonic()

    def run(self) -> Progress:
        self._resume()
        if self._at.step == 0 and self._at.first_valid is None:
            self._validate()
        try:
            while self._at.step < self._settings.schedule.steps and not self._has_waited_enough():
                self._update()
                self._after_update()
        except Stopped:
            self._save()
            raise
        if self._settings.keep_best and self._at.best:
            self._optimizer.set_trained(self._at.best)
        return self._at

    def _update(self) -> None:
        at, step = self._at, self._at.step
        rows = self._job.sampler.rows(step)
        rate = self._settings.schedule.rate(step)
        started = time.perf_counter()
        read = 0

        def counted() -> Iterable[Part]:
            nonlocal read
            for part in self._job.parts(step, rows):
                read += part.tokens
                yield part

        found = accumulate(self._job.objective, counted(), self._optimizer)
        self._refuse_divergence(found, step, rate, rows)
        norm = self._optimizer.step(learning_rate=rate, divide_by=found.tokens)
        seconds = time.perf_counter() - started
        at.step, at.tokens, at.loss_tokens = (
            step + 1,
            at.tokens + read,
            at.loss_tokens + found.tokens,
        )
        at.seconds += seconds
        at.first_loss = found.mean if at.first_loss is None else at.first_loss
        at.last_loss = found.mean
        self._tell(found.mean, rate, read / seconds, norm)

    def _tell(self, loss: float, rate: float, speed: float, norm: float) -> None:
        ctx, step = self._ctx, self._at.step
        ctx.point(f"{self._settings.label} loss", step, loss)
        ctx.point("learning rate", step, rate)
        ctx.point("tokens/s", step, speed)
        ctx.progress(
            step, self._settings.schedule.steps, "step", label=self._settings.label, loss=loss,
            learning_rate=rate, tokens_per_second=speed, grad_norm=norm,
            memory_bytes=self._memory.now(),
        )  # fmt: skip

    def _after_update(self) -> None:
        settings, step = self._settings, self._at.step
        ended = step == settings.schedule.steps
        if ended or (settings.eval_every and step % settings.eval_every == 0):
            self._validate()
        due = (
            step % settings.save_every == 0
            if settings.save_every
            else time.monotonic() - self._saved_at > _SAVE_SECONDS
        )
        if due or ended:
            self._save()

    def _validate(self) -> None:
        if self._job.validate is None:
            return
        at = self._at
        loss = self._job.validate()
        self._ctx.point("validation loss", at.step, loss)
        at.first_valid = loss if at.first_valid is None else at.first_valid
        if at.best_valid is None or loss < at.best_valid:
            at.best_valid, at.best_step, at.waited = loss, at.step, 0
            if self._settings.keep_best:
                at.best = {name: value.clone() for name, value in self._optimizer.trained().items()}
        else:
            at.waited += 1

    def _has_waited_enough(self) -> bool:
        return 0 < self._settings.patience <= self._at.waited

    def _refuse_divergence(
        self, found: Gradient, step: int, rate: float, rows: Sequence[int]
    ) -> None:
        """Twice the loss of the first update, and worse than guessing: no training recovers from it."""
        limit = max(self._settings.worst_loss, 2 * (self._at.first_loss or 0.0))
        if math.isfinite(found.loss) and found.tokens and (step == 0 or found.mean <= limit):
            return
        names = ", ".join(self._job.row_name(row) for row in rows)
        raise RunError(
            f"the loss of update {step + 1} is {found.mean:.4g} {self._settings.unit}",
            why=f"training has diverged, and its weights are of no use; learning rate {rate:.3g}, "
            f"rows of this update: {names}",
            fix="set a lower learning_rate or a longer warm-up, or look at those rows",
            code="training-diverged",
        )

    def _resume(self) -> None:
        found = checkpoints.newest(self._ctx.keep, self._settings.identity)
        if found is None:
            return
        self._optimizer.set_trained(found.weights)
        self._optimizer.set_state(found.optimizer)
        self._at = Progress(**found.state, best=dict(found.best))
        self._saved_step = found.step
        self._ctx.note(f"Goes on after update {found.step} of {self._settings.schedule.steps}.")

    def _save(self) -> None:
        at = self._at
        if at.step == self._saved_step:
            return
        state = {item.name: getattr(at, item.name) for item in fields(at) if item.name != "best"}
        checkpoints.save(
            self._ctx.keep,
            Checkpoint(
                step=at.step,
                identity=self._settings.identity,
                weights=self._optimizer.trained(),
                optimizer=self._optimizer.state(),
                best=at.best,
                state=state,
            ),
        )
        self._saved_step, self._saved_at = at.step, time.monotonic()
