"""What a stage needs from a heavy library, as protocols; `tunesmith.integrations` fulfils them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from tunesmith.records.conversation import Message


@dataclass(frozen=True, slots=True)
class Completion:
    """One generated answer."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    finish_reason: Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class AnswerLogProb:
    """Log-probability in nats of an answer given its prompt, summed over ``tokens`` tokens.

    The end-of-turn token that the chat template writes after the answer is counted.
    """

    logprob: float
    tokens: int
    likeliest: tuple[int, ...] = ()
    """At each of those tokens, the one that the model itself holds likeliest; empty: not told."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen; greedy when ``temperature`` is 0."""

    max_new_tokens: int = 128
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()


class Engine(Protocol):
    """Generates and scores with one model. One contract test runs against every engine."""

    name: str

    def generate(
        self, prompts: Sequence[Sequence[Message]], sampling: Sampling
    ) -> Iterator[Completion]:
        """One completion for each prompt, in the order of the prompts, as they become ready."""
        ...

    def score(self, rows: Sequence[Sequence[Message]]) -> Iterator[AnswerLogProb]:
        """For each row, log p(last message | those before); the last message is the assistant's."""
        ...

    def close(self) -> None:
        """Free the memory; the engine is not used afterwards."""
        ...
