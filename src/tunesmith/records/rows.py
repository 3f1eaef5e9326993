"""Rows as Parquet: ``rows.parquet`` in an artefact's folder, written and read as a stream.

Equal rows give equal bytes (no time, no path, fixed row groups), because an artefact is named by
its bytes. Each record type has one `Layout`; memory holds one batch, however many rows there are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Generic, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from tunesmith.core.errors import DataError
from tunesmith.records.conversation import Conversation, Message
from tunesmith.records.document import Document
from tunesmith.records.preference import Preference
from tunesmith.records.problem import Problem

FILE_NAME: Final = "rows.parquet"
_BATCH_ROWS: Final = 1000
"""Rows in a row group and in memory; a constant, because it shapes the bytes."""

_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))

R = TypeVar("R")
Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Layout(Generic[R]):
    """How one record type becomes columns and comes back."""

    schema: pa.Schema
    pack: Callable[[R], dict[str, object]]
    unpack: Callable[[Values], R]


def write_conversations(folder: Path, rows: Iterable[Conversation]) -> int:
    """Write ``rows`` in their order; the number of rows written. No row gives an empty table."""
    return _write(folder, rows, _CONVERSATION)


def read_conversations(folder: Path) -> Iterator[Conversation]:
    """Conversations of an artefact's folder, in the order they were written."""
    return _read(folder, _CONVERSATION)


def conversations_of(batch: pa.RecordBatch) -> list[Conversation]:
    """The rows of a record batch that was read from such a folder."""
    return [_CONVERSATION.unpack(values) for values in batch.to_pylist()]


def write_batches(folder: Path, batches: Iterable[pa.RecordBatch]) -> int:
    """Write record batches of conversations; the number of rows written.

    The rows are cut into row groups anew: the bytes are those of `write_conversations`.
    """
    with TableWriter(folder / FILE_NAME, _CONVERSATION.schema) as writer:
        for batch in batches:
            writer.add_batch(batch)
    return writer.count


def read_all(folders: Iterable[Path]) -> Iterator[Conversation]:
    """Conversations of several folders, one behind the other."""
    return chain.from_iterable(map(read_conversations, folders))


def write_preferences(folder: Path, rows: Iterable[Preference]) -> int:
    """Write ``rows`` in their order; the number of rows written."""
    return _write(folder, rows, _PREFERENCE)


def read_preferences(folder: Path) -> Iterator[Preference]:
    """Preferences of an artefact's folder, in the order they were written."""
    return _read(folder, _PREFERENCE)


def write_documents(folder: Path, rows: Iterable[Document]) -> int:
    """Write ``rows`` in their order; the number of rows written."""
    return _write(folder, rows, _DOCUMENT)


def read_documents(folder: Path) -> Iterator[Document]:
    """Documents of an artefact's folder, in the order they were written."""
    return _read(folder, _DOCUMENT)


def write_problems(folder: Path, rows: Iterable[Problem]) -> int:
    """Write ``rows`` in their order; the number of rows written."""
    return _write(folder, rows, _PROBLEM)


def read_problems(folder: Path) -> Iterator[Problem]:
    """Problems of an artefact's folder, in the order they were written."""
    return _read(folder, _PROBLEM)


def count_rows(folder: Path) -> int:
    """Number of rows in an artefact's folder, from the file's footer alone."""
    with _open(folder) as file:
        return int(file.metadata.num_rows)


class TableWriter:
    """One deterministic Parquet file, written a mapping at a time; a batch is kept in memory."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.count = 0
        self._schema = schema
        self._waiting: list[Mapping[str, object]] = []
        self._table = schema.empty_table()
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._flush()
        self._writer.close()

    def add(self, row: Mapping[str, object]) -> None:
        """Append one row."""
        self._waiting.append(row)
        self.count += 1
        if len(self._waiting) == _BATCH_ROWS:
            self._flush()

    def add_batch(self, batch: pa.RecordBatch) -> None:
        """Append the rows of a record batch of the same columns; not mixed with `add`."""
        assert not self._waiting, "rows are added one by one or in batches"
        self._table = pa.concat_tables([self._table, pa.Table.from_batches([batch])])
        self.count += batch.num_rows
        while self._table.num_rows >= _BATCH_ROWS:
            self._write(self._table.slice(0, _BATCH_ROWS))
            self._table = self._table.slice(_BATCH_ROWS)

    def _flush(self) -> None:
        if self._waiting:
            self._write(pa.Table.from_pylist(self._waiting, schema=self._schema))
            self._waiting.clear()
        if self._table.num_rows:
            self._write(self._table)

    def _write(self, table: pa.Table) -> None:
        self._writer.write_table(table.combine_chunks())


def write_table(path: Path, rows: Iterable[Mapping[str, object]], schema: pa.Schema) -> int:
    """Write mappings as one deterministic Parquet file; the number of rows written."""
    with TableWriter(path, schema) as writer:
        for row in rows:
            writer.add(row)
    return writer.count


def _write(folder: Path, rows: Iterable[R], layout: Layout[R]) -> int:
    return write_table(folder / FILE_NAME, map(layout.pack, rows), layout.schema)


def _read(folder: Path, layout: Layout[R]) -> Iterator[R]:
    with _open(folder) as file:
        missing = [name for name in layout.schema.names if name not in file.schema_arrow.names]
        if missing:
            raise _unreadable(folder, f"column(s) {', '.join(missing)} are not in it")
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=layout.schema.names):
            for values in batch.to_pylist():
                yield layout.unpack(values)


def _open(folder: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(folder / FILE_NAME)
    except (OSError, pa.ArrowInvalid) as error:
        raise _unreadable(folder, str(error)) from error


def _unreadable(folder: Path, why: str) -> DataError:
    return DataError(
        f"{folder / FILE_NAME} cannot be read as rows",
        why=why,
        fix="run the step that writes it again; `tunesmith run` does so when the artefact is removed",
        code="rows-unreadable",
    )


def _packed(messages: Iterable[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def _unpacked(messages: Iterable[Values]) -> tuple[Message, ...]:
    return tuple(Message(message["role"], message["content"]) for message in messages)


_CONVERSATION: Final[Layout[Conversation]] = Layout(
    pa.schema(
        [
            ("messages", _MESSAGES),
            ("source", pa.string()),
            ("row", pa.int64()),
            ("id", pa.string()),
            ("group", pa.string()),
        ]
    ),
    lambda row: {
        "messages": _packed(row.messages),
        "source": row.source,
        "row": row.row,
        "id": row.id,
        "group": row.group,
    },
    lambda v: Conversation(_unpacked(v["messages"]), v["source"], v["row"], v["id"], v["group"]),
)

_PREFERENCE: Final[Layout[Preference]] = Layout(
    pa.schema(
        [
            ("prompt", _MESSAGES),
            ("chosen", pa.string()),
            ("rejected", pa.string()),
            ("source", pa.string()),
            ("row", pa.int64()),
            ("id", pa.string()),
        ]
    ),
    lambda row: {
        "prompt": _packed(row.prompt),
        "chosen": row.chosen,
        "rejected": row.rejected,
        "source": row.source,
        "row": row.row,
        "id": row.id,
    },
    lambda v: Preference(
        _unpacked(v["prompt"]), v["chosen"], v["rejected"], v["source"], v["row"], v["id"]
    ),
)

_DOCUMENT: Final[Layout[Document]] = Layout(
    pa.schema(
        [
            ("text", pa.string()),
            ("source", pa.string()),
            ("row", pa.int64()),
            ("id", pa.string()),
            ("title", pa.string()),
        ]
    ),
    dataclasses.asdict,
    lambda v: Document(**v),
)

_PROBLEM: Final[Layout[Problem]] = Layout(
    pa.schema(
        [
            ("prompt", pa.string()),
            ("entry_point", pa.string()),
            ("tests", pa.string()),
            ("solution", pa.string()),
            ("source", pa.string()),
            ("row", pa.int64()),
            ("id", pa.string()),
        ]
    ),
    dataclasses.asdict,
    lambda v: Problem(**v),
)
