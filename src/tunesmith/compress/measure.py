"""What a variant costs and keeps: speed of each engine in turn, quality against the control."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from statistics import median

from tunesmith.ports import Engine, Sampling
from tunesmith.records.conversation import Conversation, Message


@dataclass(frozen=True, slots=True)
class Quality:
    """What one engine answered to the rows, and how it scored their expected answers."""

    answers: tuple[str, ...]
    nats: tuple[float, ...]
    """Minus the log-probability of each row's expected answer."""
    tokens: tuple[int, ...]
    likeliest: tuple[tuple[int, ...], ...]
    """For each row, the token that the engine would have written at each place of that answer."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens a second for one request at a time, medians."""

    prompt_tokens_per_second: float
    tokens_per_second: float


def quality(engine: Engine, rows: Sequence[Conversation], max_new_tokens: int) -> Quality:
    """Greedy answers and log-probabilities, in the order of the rows."""
    said = engine.generate([row.prompt for row in rows], Sampling(max_new_tokens=max_new_tokens))
    answers = tuple(one.text.strip() for one in said)
    scored = list(engine.score([row.messages for row in rows]))
    return Quality(
        answers,
        tuple(-one.logprob for one in scored),
        tuple(one.tokens for one in scored),
        tuple(one.likeliest for one in scored),
    )


def speeds(
    engines: Mapping[str, Engine], prompt: Sequence[Message], *, rounds: int, new_tokens: int
) -> dict[str, Speed]:
    """Each engine's speed on one prompt. Engines take turns, so that a busy machine hits all alike."""
    prompts: dict[str, list[float]] = {name: [] for name in engines}
    steps: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(rounds):
        for name, engine in engines.items():
            prompt_seconds, step_seconds = _timed(engine, prompt, new_tokens)
            prompts[name].append(prompt_seconds)
            steps[name].append(step_seconds)
    return {name: Speed(1 / median(prompts[name]), 1 / median(steps[name])) for name in engines}


def same_tokens(mine: Quality, control: Quality) -> tuple[int, int]:
    """(places where both engines would write the same token, places compared).

    The places are those of the expected answers, so one difference does not turn what follows, as it
    does in free answers.
    """
    pairs = [
        pair
        for one, other in zip(mine.likeliest, control.likeliest, strict=True)
        for pair in zip(one, other, strict=True)
    ]
    return sum(one == other for one, other in pairs), len(pairs)


def shared_beginning(answers: Sequence[str], control: Sequence[str]) -> float:
    """Mean share of the longer answer's characters before the two first differ, in [0, 1]."""
    shares = [_shared(one, other) for one, other in zip(answers, control, strict=True)]
    return sum(shares) / len(shares)


def _timed(engine: Engine, prompt: Sequence[Message], new_tokens: int) -> tuple[float, float]:
    """Seconds for each prompt token, and for each new token after the first."""
    first_seconds, first = _generated(engine, prompt, 1)
    all_seconds, tokens = _generated(engine, prompt, new_tokens)
    steps = max(tokens[1] - 1, 1)
    return first_seconds / first[0], max(all_seconds - first_seconds, 1e-9) / steps


def _generated(
    engine: Engine, prompt: Sequence[Message], new_tokens: int
) -> tuple[float, tuple[int, int]]:
    started = time.perf_counter()
    done = next(iter(list(engine.generate([prompt], Sampling(max_new_tokens=new_tokens)))))
    return time.perf_counter() - started, (done.prompt_tokens, done.completion_tokens)


def _shared(one: str, other: str) -> float:
    longer = max(len(one), len(other))
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return sum(1 for _ in pairs) / longer if longer else 1.0
