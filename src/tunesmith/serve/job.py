"""One request on its way through the server, and what an engine tells about it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from tunesmith.ports import Sampling
from tunesmith.records.conversation import Message

_NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that was just generated, and how many tokens there are so far."""

    text: str


@dataclass(frozen=True, slots=True)
class End:
    """The last event of a job."""

    finish_reason: Literal["stop", "length"]
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The engine broke while it worked on the job; ``why`` goes to the log, not to the client."""

    why: str


Told = Piece | End | Failed


@dataclass(slots=True, eq=False)
class Job:
    """A prompt in an engine's terms, with the times of its way."""

    prompt: Any
    """What `Backend.prepare` made of the messages."""
    prompt_tokens: int
    sampling: Sampling
    tell: Callable[[Told], None]
    """Called by the engine's thread, in order."""
    number: int = field(default_factory=lambda: next(_NUMBERS))
    queued_at: float = field(default_factory=time.time)
    started_at: float | None = None
    first_token_at: float | None = None
    is_cancelled: bool = False
    """Whether the client has left; the engine frees the slot at its next step."""
    _wake: Callable[[], None] | None = None

    def cancel(self) -> None:
        """The client has left; called from any thread, and again without harm."""
        self.is_cancelled = True
        if self._wake is not None:
            self._wake()

    def on_cancel(self, wake: Callable[[], None]) -> None:
        """``wake`` is called when the job is cancelled, at once when it already is."""
        self._wake = wake
        if self.is_cancelled:
            wake()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prompt that fits the engine: in its own terms, and its number of tokens."""

    prompt: Any
    tokens: int


class Busy(Exception):
    """The queue is full; ``retry_seconds`` is when a place is likely to be free."""

    def __init__(self, retry_seconds: int) -> None:
        super().__init__(f"the queue is full; try again in {retry_seconds} s")
        self.retry_seconds = retry_seconds


class Backend(Protocol):
    """An engine with slots and a bounded queue, as the HTTP side sees it."""

    engine: str

    def prepare(self, messages: Sequence[Message]) -> Prepared:
        """The prompt in the engine's terms; DataError or ModelError when it cannot be answered."""
        ...

    def submit(self, job: Job) -> None:
        """Take a job on, or raise Busy at once."""
        ...

    def load(self) -> tuple[int, int]:
        """(jobs in slots, jobs in the queue)."""
        ...

    def close(self) -> None:
        """Stop the threads and free the memory; running jobs are told that they failed."""
        ...
