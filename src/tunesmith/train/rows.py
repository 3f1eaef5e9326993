"""Rows as tokens, with every row that is left out counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tunesmith.core.errors import DataError
from tunesmith.core.stage import Context
from tunesmith.records.conversation import Conversation
from tunesmith.records.rows import read_conversations
from tunesmith.tokens.chat import Encoded, encode
from tunesmith.tokens.tokenizer import Tokenizer


def encode_rows(
    folder: Path,
    tokenizer: Tokenizer,
    *,
    max_length: int,
    too_long: Literal["drop", "error"],
    learn: Literal["last", "every"],
    step: str,
    ctx: Context,
) -> list[Encoded]:
    """Every row that fits, in order; rows in = rows out + too long, told under ``step``.

    Raises:
        DataError: when a row is too long and that is an error, or when no row is left.

    """
    kept: list[Encoded] = []
    dropped: Counter[str] = Counter()
    rows = 0
    for row in read_conversations(folder):
        rows += 1
        ctx.check_stop()
        encoded = encode(row.messages, tokenizer, learn=learn, name=row_name(row))
        if len(encoded.ids) <= max_length:
            kept.append(encoded)
        elif too_long == "drop":
            dropped[f"length>{max_length}"] += 1
        else:
            raise _too_long(encoded, max_length)
    ctx.accounting(step, rows, len(kept), dropped)
    return kept


def row_name(row: Conversation) -> str:
    """How errors call a row: where it came from and its number there."""
    return f"{row.source} row {row.row}"


def refuse_empty(rows: Sequence[Encoded], folder: Path, max_length: int) -> None:
    """Refuse to train on nothing.

    Raises:
        DataError: when there is no row.

    """
    if not rows:
        raise DataError(
            f"no row of {folder.name} can be trained on",
            why=f"there is none, or all are longer than {max_length} tokens",
            fix="look at the accounting of prepare, or raise train.max_length",
            code="no-rows-left",
        )


def _too_long(row: Encoded, max_length: int) -> DataError:
    return DataError(
        f"{row.name} has {len(row.ids)} tokens and cannot be trained on",
        why=f"the limit is {max_length} tokens, by train.max_length or by the model's own context, "
        "and cutting would train on half an answer",
        fix=f"set train.max_length to {len(row.ids)} or more if the model reads as many, "
        "or train.too_long to 'drop'",
        code="row-too-long",
    )
