"""One generated answer of a probe, and how a probe asks an engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tunesmith.core.stage import Context
from tunesmith.evaluate.config import ProbeConfig
from tunesmith.ports import Engine, Sampling
from tunesmith.records.conversation import Conversation, Message


@dataclass(frozen=True, slots=True)
class Probed:
    """What was asked about which row, and what came back."""

    probe: str
    row: Conversation
    prompt: str
    expected: str
    """The training answer of an extraction; empty where the honest answer is "not stated"."""
    answer: str
    found: str
    """What the probe objects to, for people to check; empty when it objects to nothing."""


def ask(
    engine: Engine,
    prompts: Sequence[Sequence[Message]],
    config: ProbeConfig,
    ctx: Context,
    *,
    label: str,
) -> list[str]:
    """One greedy answer for each prompt, in their order."""
    answers = []
    for completion in engine.generate(prompts, Sampling(max_new_tokens=config.max_new_tokens)):
        answers.append(completion.text.strip())
        ctx.progress(len(answers), len(prompts), "answers", f"{config.subject} {label}")
    assert len(answers) == len(prompts), f"{engine.name}: {len(answers)} of {len(prompts)} answers"
    return answers


def text_of(messages: Sequence[Message]) -> str:
    """All turns as one text, a line between them."""
    return "\n".join(message.content for message in messages)
