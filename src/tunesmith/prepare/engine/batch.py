"""A batch of conversations as an Arrow record batch: its texts as one list, its rows as objects."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from tunesmith.records.conversation import Conversation
from tunesmith.records.rows import conversations_of

_TURNS = "messages"
_TEXT = "content"


def texts(batch: pa.RecordBatch) -> list[str]:
    """The text of every turn of every row, in order."""
    found: list[str] = batch.column(_TURNS).flatten().field(_TEXT).to_pylist()
    return found


def with_texts(batch: pa.RecordBatch, changed: Sequence[str]) -> pa.RecordBatch:
    """The batch with other texts; as many as `texts` gives, and in that order."""
    turns = batch.column(_TURNS)
    struct = turns.flatten()
    assert len(struct) == len(changed), "every turn has a text"
    kind = struct.type
    columns = [
        pa.array(changed, pa.string()) if kind.field(i).name == _TEXT else column
        for i, column in enumerate(struct.flatten())
    ]
    offsets = turns.offsets.to_numpy()
    rebuilt = pa.ListArray.from_arrays(
        pa.array(offsets - offsets[0], pa.int32()),
        pa.StructArray.from_arrays(columns, fields=list(kind)),
        type=turns.type,
    )
    return batch.set_column(batch.schema.get_field_index(_TURNS), _TURNS, rebuilt)


def rows(batch: pa.RecordBatch) -> list[Conversation]:
    """The rows of the batch as objects."""
    return conversations_of(batch)


def only(batch: pa.RecordBatch, is_kept: Sequence[bool]) -> pa.RecordBatch:
    """The rows of the batch that are kept."""
    return batch if all(is_kept) else batch.filter(pa.array(is_kept, pa.bool_()))
