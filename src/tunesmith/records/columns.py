"""A user's own mapping of columns: a template of text and ``{column}`` fills each turn.

Only whole column names stand between braces: no attribute, index, conversion or format is read,
so a template from an untrusted project can reach nothing but the row's own cells.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable

from tunesmith.core.errors import ConfigError
from tunesmith.records.formats import missing_column
from tunesmith.records.turns import Refusal, Values, as_text

Fill = Callable[[Values], str | Refusal]


def compile_template(
    template: str, known: Iterable[str], *, setting: str, file: str, is_fixed: bool = False
) -> Fill:
    """A function that fills ``template`` from a row's values.

    Text without braces names one column, unless ``is_fixed`` says that it may be plain text.
    ``{{`` and ``}}`` stand for braces. A row that lacks the column is refused, not the file.

    Raises:
        ConfigError: for a template that cannot be read.
        DataError: when the file has no such column, naming the nearest.

    """
    parts = _parts(template, setting)
    if not is_fixed and all(column is None for _, column in parts):
        parts = [("", template)]
    columns = list(known)
    for _, column in parts:
        if column is not None and column not in columns:
            raise missing_column(column, columns, file, needed_by=f"`{setting}`: {template!r}")

    def fill(values: Values) -> str | Refusal:
        filled = []
        for text, column in parts:
            filled.append(text)
            if column is not None:
                if column not in values:
                    return Refusal(f"missing column {column}")
                filled.append(as_text(values[column]))
        return "".join(filled)

    return fill


def _parts(template: str, setting: str) -> list[tuple[str, str | None]]:
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError as error:
        raise _invalid(template, setting, str(error)) from None
    for _, column, form, conversion in parsed:
        if column is not None and (form or conversion or not column):
            raise _invalid(template, setting, "only a column's name may stand between braces")
    return [(text, column) for text, column, _, _ in parsed]


def _invalid(template: str, setting: str, why: str) -> ConfigError:
    return ConfigError(
        f"`{setting}`: {template!r} is not a template",
        why=why,
        fix='write text and {column}, such as "Summarise this: {dialogue}"; {{ gives a brace',
        code="template-invalid",
    )
