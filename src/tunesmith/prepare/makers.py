"""How a file's rows are made: by a format of the field, or by the user's own columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tunesmith.prepare.config import CollectConfig, CollectPreferencesConfig
from tunesmith.records.columns import Fill, compile_template
from tunesmith.records.conversation import Conversation, Message, identify
from tunesmith.records.formats import (
    check_columns,
    converter,
    detect,
    missing_column,
    unknown_format,
)
from tunesmith.records.pairs import COLUMNS, Pair, check_pair, convert_pair
from tunesmith.records.preference import Preference, identify_pair
from tunesmith.records.raw import RawRow
from tunesmith.records.turns import Refusal, Values, checked, with_system


def conversation_maker(
    config: CollectConfig, first: Sequence[RawRow], file: str
) -> Callable[[Values, str, int], Conversation | Refusal]:
    """How rows of ``file`` become conversations, decided by its ``first`` rows.

    Raises:
        DataError: when the format is not known, or a column is missing.

    """
    known = _columns(first)
    group: Fill | None = None
    if config.columns is not None:
        convert = _mapped(config, known, file)
        if config.columns.group:
            group = compile_template(
                config.columns.group, known, setting="columns.group", file=file
            )
    else:
        name = config.format
        if name == "auto":
            found = next((found for row in first if (found := detect(row.values))), None)
            if found is None:
                raise unknown_format(known, file)
            name = found  # type: ignore[assignment]  # one of the same names
        check_columns(name, known, file)
        convert = converter(name)

    def make(values: Values, source: str, row: int) -> Conversation | Refusal:
        messages = convert(values)
        if isinstance(messages, Refusal):
            return messages
        grouped = group(values) if group is not None else ""
        if isinstance(grouped, Refusal):
            return grouped
        return Conversation(messages, source, row, identify(messages, source, row), grouped)

    return make


def preference_maker(
    config: CollectPreferencesConfig, first: Sequence[RawRow], file: str
) -> Callable[[Values, str, int], Preference | Refusal]:
    """How rows of ``file`` become preferences, decided by its ``first`` rows.

    Raises:
        DataError: when a column is missing.

    """
    known = _columns(first)
    convert = convert_pair if config.columns is None else _mapped_pair(config, known, file)
    if config.columns is None:
        for column in COLUMNS:
            if column not in known:
                raise missing_column(column, known, file, needed_by="a preference")

    def make(values: Values, source: str, row: int) -> Preference | Refusal:
        pair = convert(values)
        if isinstance(pair, Refusal):
            return pair
        identity = identify_pair(pair.prompt, (pair.chosen, pair.rejected), source, row)
        return Preference(pair.prompt, pair.chosen, pair.rejected, source, row, identity)

    return make


def _columns(first: Sequence[RawRow]) -> list[str]:
    """Every column of the first rows, in the order of their first appearance."""
    return list(dict.fromkeys(name for row in first for name in row.values))


def _mapped(
    config: CollectConfig, known: Sequence[str], file: str
) -> Callable[[Values], tuple[Message, ...] | Refusal]:
    assert config.columns is not None, "asked for only when columns are mapped"
    templates = config.columns.model_dump(include={"system", "prompt", "completion"})
    fill = _filler(templates, known, file)

    def convert(values: Values) -> tuple[Message, ...] | Refusal:
        texts = fill(values)
        if isinstance(texts, Refusal):
            return texts
        turns = (Message("user", texts["prompt"]), Message("assistant", texts["completion"]))
        return checked(with_system(texts["system"], turns))

    return convert


def _mapped_pair(
    config: CollectPreferencesConfig, known: Sequence[str], file: str
) -> Callable[[Values], Pair | Refusal]:
    assert config.columns is not None, "asked for only when columns are mapped"
    fill = _filler(config.columns.model_dump(), known, file)

    def convert(values: Values) -> Pair | Refusal:
        texts = fill(values)
        if isinstance(texts, Refusal):
            return texts
        prompt = with_system(texts["system"], (Message("user", texts["prompt"]),))
        return check_pair(Pair(prompt, texts["chosen"], texts["rejected"]))

    return convert


def _filler(
    templates: dict[str, str], known: Sequence[str], file: str
) -> Callable[[Values], dict[str, str] | Refusal]:
    fills = {
        name: compile_template(
            template, known, setting=f"columns.{name}", file=file, is_fixed=name == "system"
        )
        for name, template in templates.items()
    }

    def fill(values: Values) -> dict[str, str] | Refusal:
        texts: dict[str, str] = {}
        for name, filled in ((name, each(values)) for name, each in fills.items()):
            if isinstance(filled, Refusal):
                return filled
            texts[name] = filled
        return texts

    return fill
