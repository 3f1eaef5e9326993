"""The table of operators: what is done to rows, by name, in the order in which it is done.

To add one, write a pure function in its own file and one line here; `engine` does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tunesmith.prepare.config import LengthConfig, PrepareConfig
from tunesmith.prepare.duplicates import row_fingerprint
from tunesmith.prepare.engine.operator import Group, Operator, RowFilter, RowRule, TextMap
from tunesmith.prepare.repair import repair
from tunesmith.prepare.repetition import repetition
from tunesmith.prepare.words import Language, words
from tunesmith.privacy.find import masked
from tunesmith.records.conversation import Conversation


def operators(config: PrepareConfig) -> list[Operator]:
    """The operators that ``config`` asks for, in order."""
    return [make(config) for is_on, make in TABLE.values() if is_on(config)]


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


def first_of_each(marks: NDArray[np.void]) -> NDArray[np.bool_]:
    """True for each row whose mark an earlier row has; memory for one sorted index of the marks."""
    is_gone = np.ones(len(marks), dtype=np.bool_)
    is_gone[np.unique(marks, return_index=True)[1]] = False
    return is_gone


TABLE: Final[
    dict[str, tuple[Callable[[PrepareConfig], bool], Callable[[PrepareConfig], Operator]]]
] = {
    "repair": (lambda c: c.repair.enabled, lambda c: TextMap("repair", _repaired)),
    "private": (lambda c: c.private.enabled, lambda c: TextMap("private", masked)),
    "length": (lambda c: True, lambda c: RowFilter("length", length(c.length, c.language))),
    "repetition": (
        lambda c: c.repetition.enabled,
        lambda c: RowFilter("repetition", _answer_rule(c)),
    ),
    "duplicates": (
        lambda c: c.duplicates.enabled,
        lambda c: Group("duplicates", row_fingerprint, first_of_each, "exact duplicate"),
    ),
}
"""Name -> (is it asked for, how it is made). Masking comes before duplicates: constants are equal."""
