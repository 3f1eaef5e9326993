"""The field's formats of supervised rows: detected by their columns, converted to messages.

Each converter is a pure function from a row's values to messages or to the reason it cannot be
used. A column mapping of the user's own is in `tunesmith.records.columns`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from tunesmith.core.errors import DataError
from tunesmith.core.table import nearest
from tunesmith.records.conversation import Message
from tunesmith.records.turns import (
    MEDIA,
    Refusal,
    Values,
    as_text,
    checked,
    read_turns,
    unusable_extras,
    with_system,
)

Converted = tuple[Message, ...] | Refusal
Converter = Callable[[Values], Converted]

UNWANTED: Final = Refusal("unwanted answer (label is false)", is_fault=False)


def detect(values: Values) -> str | None:
    """Name of the format that a row's columns and types show; None when none fits."""
    if isinstance(values.get("label"), bool) and ("messages" in values or "completion" in values):
        return "kto"
    turns = values.get("conversations", values.get("messages"))
    if isinstance(turns, list) and turns and isinstance(turns[0], dict):
        return "sharegpt" if "from" in turns[0] else "messages"
    for name in ("alpaca", "prompt-completion", "text"):
        if all(column in values for column in REQUIRED[name]):
            return name
    return None


def converter(name: str) -> Converter:
    """The converter of the format called ``name``, with checks that hold for every format."""
    convert = _CONVERTERS[name]

    def converted(values: Values) -> Converted:
        refusal = unusable_extras(values) or _missing(name, values)
        if refusal is not None:
            return refusal
        messages = convert(values)
        return messages if isinstance(messages, Refusal) else checked(messages)

    return converted


def check_columns(name: str, known: Iterable[str], file: str) -> None:
    """Refuse a file without the columns that the format called ``name`` needs.

    Raises:
        DataError: naming the column and the nearest one that is there.

    """
    columns = list(known)
    for column in REQUIRED[name]:
        if column not in columns:
            raise missing_column(column, columns, file, needed_by=f"the {name} format")


def missing_column(column: str, known: Iterable[str], file: str, *, needed_by: str) -> DataError:
    """The error for a column that a file does not have."""
    columns = list(known)
    near = nearest(column, columns)
    return DataError(
        f"{file} has no column `{column}`",
        why=f"{needed_by} needs it; the file has {_listed(columns)}",
        fix=f"did you mean `{near}`?" if near else "name one of the file's columns in `columns`",
        code="column-missing",
    )


def unknown_format(known: Iterable[str], file: str) -> DataError:
    """The error for a file whose columns fit no format."""
    columns = list(known)
    if {"chosen", "rejected"} <= set(columns):
        fix = "these are preferences: read them with `collect-preferences`"
    else:
        first, second = (*columns, "question", "answer")[:2]
        fix = f'map its columns: columns: {{prompt: "{{{first}}}", completion: "{{{second}}}"}}'
    return DataError(
        f"the format of {file} is not known",
        why=f"its columns are {_listed(columns)}; known are {', '.join(REQUIRED)}",
        fix=fix,
        code="format-unknown",
    )


def _listed(columns: list[str]) -> str:
    shown = ", ".join(f"`{column}`" for column in columns[:20])
    return shown + (" ..." if len(columns) > 20 else "") if columns else "no columns"


def _missing(name: str, values: Values) -> Refusal | None:
    absent = [column for column in REQUIRED[name] if column not in values]
    return Refusal(f"missing column {absent[0]}") if absent else None


def _alpaca(values: Values) -> Converted:
    instruction, context = as_text(values["instruction"]), as_text(values.get("input"))
    asked = f"{instruction}\n{context}" if context.strip() else instruction
    turns: list[Message] = []
    history = values.get("history") or []
    if not isinstance(history, list):
        return Refusal("history is not a list")
    for pair in history:
        if not isinstance(pair, list) or len(pair) != 2:
            return Refusal("history is not a list of pairs")
        turns += [Message("user", as_text(pair[0])), Message("assistant", as_text(pair[1]))]
    turns += [Message("user", asked), Message("assistant", as_text(values["output"]))]
    return with_system(values.get("system"), turns)


def _sharegpt(values: Values) -> Converted:
    turns = read_turns(values["conversations"])
    return turns if isinstance(turns, Refusal) else with_system(values.get("system"), turns)


def _messages(values: Values) -> Converted:
    turns = read_turns(values.get("messages", values.get("conversations")))
    return turns if isinstance(turns, Refusal) else with_system(values.get("system"), turns)


def _prompt_completion(values: Values) -> Converted:
    asked = _turns_or_text(values["prompt"], "user")
    answered = _turns_or_text(values["completion"], "assistant")
    if isinstance(asked, Refusal):
        return asked
    if isinstance(answered, Refusal):
        return answered
    return with_system(values.get("system"), (*asked, *answered))


def _turns_or_text(value: object, role: str) -> Converted:
    if isinstance(value, list):
        return read_turns(value)
    if isinstance(value, dict):
        return MEDIA
    return (Message("user" if role == "user" else "assistant", as_text(value)),)


def _text(values: Values) -> Converted:
    return (Message("assistant", as_text(values["text"])),)


def _kto(values: Values) -> Converted:
    if values.get("label") is not True:
        return UNWANTED
    return _messages(values) if "messages" in values else _prompt_completion(values)


REQUIRED: Final[dict[str, tuple[str, ...]]] = {
    "alpaca": ("instruction", "output"),
    "sharegpt": ("conversations",),
    "messages": (),
    "prompt-completion": ("prompt", "completion"),
    "text": ("text",),
    "kto": ("label",),
}
"""Columns that each format cannot do without; ``messages`` may also be called ``conversations``."""

_CONVERTERS: Final[dict[str, Converter]] = {
    "alpaca": _alpaca,
    "sharegpt": _sharegpt,
    "messages": _messages,
    "prompt-completion": _prompt_completion,
    "text": _text,
    "kto": _kto,
}
