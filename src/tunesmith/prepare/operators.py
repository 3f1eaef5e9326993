"""The table of operators: what is done to rows, by name, in the order in which it is done.

An operator turns a stream of rows into a stream of outcomes and keeps no count: `Tally` counts.
To add one, write a pure function in its own file and one line here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from tunesmith.prepare.config import LengthConfig, PrepareConfig
from tunesmith.prepare.duplicates import FirstOnly
from tunesmith.prepare.repair import repair
from tunesmith.prepare.repetition import repetition
from tunesmith.prepare.words import Language, words
from tunesmith.privacy.find import masked
from tunesmith.records.conversation import Conversation, Message


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an operator made of one row."""

    row: Conversation
    dropped: str | None = None
    """The reason, or None for a row that is kept."""
    found: Mapping[str, int] = field(default_factory=dict)
    """What was changed or found in the row, by name; only for counting."""


Operator = Callable[[Iterable[Conversation]], Iterator[Outcome]]
RowRule = Callable[[Conversation], str | None]


def operators(config: PrepareConfig) -> dict[str, Operator]:
    """The operators that ``config`` asks for, in order; each is fresh and used once."""
    return {name: make(config) for name, (is_on, make) in TABLE.items() if is_on(config)}


def dropping(rule: RowRule) -> Operator:
    """An operator that drops the rows to which ``rule`` gives a reason."""

    def operator(rows: Iterable[Conversation]) -> Iterator[Outcome]:
        for row in rows:
            yield Outcome(row, rule(row))

    return operator


def changing(change: Callable[[str], tuple[str, Mapping[str, int]]]) -> Operator:
    """An operator that changes each turn's text; a row keeps its id, which leads to its source."""

    def operator(rows: Iterable[Conversation]) -> Iterator[Outcome]:
        for row in rows:
            found: dict[str, int] = {}
            messages = []
            for message in row.messages:
                text, counts = change(message.content)
                messages.append(Message(message.role, text))
                for name, count in counts.items():
                    found[name] = found.get(name, 0) + count
            yield Outcome(dataclasses.replace(row, messages=tuple(messages)), found=found)

    return operator


def length(config: LengthConfig, language: Language) -> RowRule:
    """Keep rows whose prompt and answer are within bounds, in words, both ends included.

    A row without a prompt (plain text) is judged by its answer alone.
    """

    def rule(row: Conversation) -> str | None:
        answer = len(words(row.answer, language))
        if answer < config.answer_at_least:
            return f"answer < {config.answer_at_least} words"
        if answer > config.answer_at_most:
            return f"answer > {config.answer_at_most} words"
        if not row.prompt:
            return None
        asked = [message.content for message in row.prompt if message.role != "system"]
        prompt = sum(len(words(text, language)) for text in asked)
        if prompt < config.prompt_at_least:
            return f"prompt < {config.prompt_at_least} words"
        return f"prompt > {config.prompt_at_most} words" if prompt > config.prompt_at_most else None

    return rule


def _repaired(text: str) -> tuple[str, Mapping[str, int]]:
    mended = repair(text)
    return mended, {} if mended == text else {"mended turns": 1}


def _answer_rule(config: PrepareConfig) -> RowRule:
    rule = repetition(config.repetition, config.language)
    return lambda row: rule(row.answer)


TABLE: Final[
    dict[str, tuple[Callable[[PrepareConfig], bool], Callable[[PrepareConfig], Operator]]]
] = {
    "repair": (lambda c: c.repair.enabled, lambda c: changing(_repaired)),
    "private": (lambda c: c.private.enabled, lambda c: changing(masked)),
    "length": (lambda c: True, lambda c: dropping(length(c.length, c.language))),
    "repetition": (lambda c: c.repetition.enabled, lambda c: dropping(_answer_rule(c))),
    "duplicates": (lambda c: c.duplicates.enabled, lambda c: dropping(FirstOnly())),
}
"""Name -> (is it asked for, how it is made). Masking comes before duplicates: constants are equal."""
