"""Preference rows of the field: chosen and rejected answers as text, as turns, or as whole talks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tunesmith.records.conversation import Message
from tunesmith.records.turns import (
    EMPTY_OUTPUT,
    EMPTY_PROMPT,
    Refusal,
    Values,
    as_text,
    read_turn,
    read_turns,
    unusable_extras,
    with_system,
)

COLUMNS: Final = ("chosen", "rejected")
"""What every format of preferences has; the prompt may be inside the two answers."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt and its two answers, before they have an origin and an id."""

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str


def convert_pair(values: Values) -> Pair | Refusal:
    """A pair from any of the field's layouts, or the reason it cannot be used.

    The prompt is ``prompt`` (text or turns), ``conversations``, ``messages`` or ``instruction`` and
    ``input``; without one of them, the turns that both answers begin with.
    """
    extras = unusable_extras(values)
    if extras is not None:
        return extras
    absent = [column for column in COLUMNS if column not in values]
    if absent:
        return Refusal(f"missing column {absent[0]}")
    chosen, rejected = _talk(values["chosen"]), _talk(values["rejected"])
    for talk in (chosen, rejected):
        if isinstance(talk, Refusal):
            return talk
    assert not isinstance(chosen, Refusal), "refusals were returned"
    assert not isinstance(rejected, Refusal), "refusals were returned"
    if len(chosen) > 1 or len(rejected) > 1:
        if chosen[:-1] != rejected[:-1]:
            return Refusal("the two answers have different prompts")
        prompt: tuple[Message, ...] | Refusal = chosen[:-1]
    else:
        prompt = _prompt(values)
    if isinstance(prompt, Refusal):
        return prompt
    return check_pair(
        Pair(with_system(values.get("system"), prompt), chosen[-1].content, rejected[-1].content)
    )


def check_pair(pair: Pair) -> Pair | Refusal:
    """``pair`` when there is something to prefer: a prompt, two answers, and a difference."""
    if not pair.prompt or pair.prompt[-1].role != "user":
        return Refusal("no question at the end of the prompt")
    if not pair.prompt[-1].content.strip():
        return EMPTY_PROMPT
    if not pair.chosen.strip() or not pair.rejected.strip():
        return EMPTY_OUTPUT
    if pair.chosen.strip() == pair.rejected.strip():
        return Refusal("equal answers", is_fault=False)
    return pair


def _talk(value: object) -> tuple[Message, ...] | Refusal:
    """An answer as turns of which the last is the assistant's."""
    if isinstance(value, dict):
        turn = read_turn(value)
        turns: tuple[Message, ...] | Refusal = turn if isinstance(turn, Refusal) else (turn,)
    elif isinstance(value, list):
        turns = read_turns(value)
    else:
        turns = (Message("assistant", as_text(value)),)
    if isinstance(turns, Refusal):
        return turns
    return turns if turns[-1].role == "assistant" else Refusal("no answer at the end")


def _prompt(values: Values) -> tuple[Message, ...] | Refusal:
    for name in ("prompt", "conversations", "messages"):
        value = values.get(name)
        if isinstance(value, list):
            return read_turns(value)
        if isinstance(value, str):
            return (Message("user", value),)
    if "instruction" in values:
        parts = [as_text(values[name]) for name in ("instruction", "input") if values.get(name)]
        return (Message("user", "\n".join(parts)),)
    return Refusal("missing column prompt")
