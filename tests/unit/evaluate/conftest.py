"""An engine that needs no model, and rows for it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from tunesmith.ports import AnswerLogProb, Completion, Sampling
from tunesmith.records.conversation import Conversation, Message, identify


@dataclass
class Echo:
    """Answers with what ``knows`` holds for the last turn, else with the words of that turn.

    A known answer costs 1 nat, any other 1 nat a word.
    """

    knows: dict[str, str] = field(default_factory=dict)
    name: str = "echo"
    seen: list[Sequence[Message]] = field(default_factory=list)

    def generate(
        self, prompts: Sequence[Sequence[Message]], sampling: Sampling
    ) -> Iterator[Completion]:
        for prompt in prompts:
            self.seen.append(prompt)
            words = self.knows.get(prompt[-1].content, prompt[-1].content).split()
            cut = words[: sampling.max_new_tokens]
            reason = "length" if len(cut) < len(words) else "stop"
            yield Completion(" ".join(cut), len(prompt), len(cut), reason)  # type: ignore[arg-type]

    def score(self, rows: Sequence[Sequence[Message]]) -> Iterator[AnswerLogProb]:
        for row in rows:
            size = len(row[-1].content.split())
            is_known = self.knows.get(row[-2].content) == row[-1].content
            yield AnswerLogProb(-1.0 if is_known else -1.0 - size, size + 1)

    def close(self) -> None:
        pass


def _conversation(
    prompt: str, answer: str, row: int, *, group: str = "", system: str = ""
) -> Conversation:
    """One row of one question and answer."""
    opening = (Message("system", system),) if system else ()
    turns = (*opening, Message("user", prompt), Message("assistant", answer))
    return Conversation(turns, "test.jsonl", row, identify(turns, "test.jsonl", row), group)


@pytest.fixture
def echo() -> type[Echo]:
    """The engine's class: ``echo(knows={question: answer})``."""
    return Echo


@pytest.fixture
def conversation() -> Callable[..., Conversation]:
    """Makes a row: ``conversation(prompt, answer, row, group=..., system=...)``."""
    return _conversation
