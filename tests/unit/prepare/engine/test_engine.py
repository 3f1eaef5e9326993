"""Fused batches, parts that survive a kill, and processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.errors import Stopped, stopped
from tunesmith.prepare.engine.batch import rows, texts, with_texts
from tunesmith.prepare.engine.operator import Group, Operator, RowFilter, TextMap
from tunesmith.prepare.engine.parts import Parts
from tunesmith.prepare.engine.pool import run_all
from tunesmith.prepare.engine.segment import run_batch, segments
from tunesmith.records.conversation import Conversation, Message, identify
from tunesmith.records.rows import FILE_NAME, write_conversations

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
ROWS = st.lists(st.lists(TEXT, min_size=1, max_size=4), max_size=12)


def _batch(said: list[list[str]], folder: Path) -> pa.RecordBatch:
    made = []
    for i, turns in enumerate(said):
        messages = tuple(Message("user", text) for text in turns)
        made.append(Conversation(messages, "made", i, identify(messages, "made", i)))
    write_conversations(folder, made)
    table = pa.parquet.read_table(folder / FILE_NAME).combine_chunks()
    return (table.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)])[0]


@pytest.fixture(scope="module")
def batch_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., pa.RecordBatch]:
    folder = tmp_path_factory.mktemp("rows")
    return lambda said: _batch(said, folder)


@given(ROWS)
def test_texts_that_are_put_back_leave_the_batch_as_it_was(
    batch_of: Callable[..., pa.RecordBatch], said: list[list[str]]
) -> None:
    batch = batch_of(said)
    assert texts(batch) == [text for turns in said for text in turns]
    assert with_texts(batch, texts(batch)).equals(batch)
    half = batch.slice(len(said) // 2)
    assert with_texts(half, texts(half)).equals(half)


OPERATORS: list[Operator] = [
    TextMap("upper", lambda text: (text.upper(), {"raised": 1} if text != text.upper() else {})),
    TextMap("ends", lambda text: (text + "!", {})),
    RowFilter("short", lambda row: "short" if len(row.answer) < 4 else None),
    RowFilter("long", lambda row: "long" if len(row.answer) > 9 else None),
    TextMap("again", lambda text: (text + "?", {})),
]


@given(ROWS)
def test_a_segment_counts_every_row_and_does_what_its_functions_do(
    batch_of: Callable[..., pa.RecordBatch], said: list[list[str]]
) -> None:
    outcome = run_batch(OPERATORS, batch_of(said))
    expected = [[text.upper() + "!" for text in turns] for turns in said]
    kept = [turns for turns in expected if 4 <= len(turns[-1]) <= 9]
    assert texts(outcome.batch) == [text + "?" for turns in kept for text in turns]
    for step in outcome.counts:
        assert step.rows_in == step.rows_out + sum(step.dropped.values())
    assert [step.step for step in outcome.counts] == [one.name for one in OPERATORS]
    assert len(outcome.drops) == len(said) - len(kept)
    for before, after in zip(outcome.counts, outcome.counts[1:], strict=False):
        assert after.rows_in == before.rows_out


def test_a_group_ends_its_segment() -> None:
    group = Group("g", lambda row: bytes(16), lambda marks: np.zeros(len(marks), bool), "why")
    assert segments([]) == [[]]
    assert segments([group]) == [[group], []]
    first, last = OPERATORS[0], OPERATORS[2]
    assert segments([first, group, last]) == [[first, group], [last]]


def test_a_part_comes_back_as_it_was_written(
    batch_of: Callable[..., pa.RecordBatch], tmp_path: Path
) -> None:
    parts = Parts(tmp_path / "parts")
    outcome = run_batch(OPERATORS, batch_of([["ab"], ["abc"], ["abcdefghijkl"], ["ab", "abcde"]]))
    assert not parts.is_done(3)
    parts.write(3, outcome.batch, outcome.counts, outcome.drops, {"kept": 1})
    assert parts.is_done(3)
    assert parts.batch(3).equals(outcome.batch)
    assert rows(parts.batch(3)) == rows(outcome.batch)
    account = parts.account(3)
    assert (account.counts, account.drops, account.more) == (
        outcome.counts,
        outcome.drops,
        {"kept": 1},
    )
    assert account.counts[2].dropped == Counter(short=1)


def _touch(folder: Path, number: int) -> None:
    (folder / str(number)).touch()


def _fail(number: int) -> None:
    if number == 3:
        raise ValueError("batch 3")


@pytest.mark.parametrize("processes", [1, 2])
def test_every_batch_is_done_once_and_told(tmp_path: Path, processes: int) -> None:
    told: list[int] = []
    run_all(partial(_touch, tmp_path), range(20), processes=processes, told=told.append)
    assert sorted(int(path.name) for path in tmp_path.iterdir()) == list(range(20))
    assert told[-1] == 20
    assert told == sorted(told)


@pytest.mark.parametrize("processes", [1, 2])
def test_what_a_batch_raises_is_raised_here(processes: int) -> None:
    with pytest.raises(ValueError, match="batch 3"):
        run_all(_fail, range(6), processes=processes, told=lambda done: None)


def test_a_request_to_stop_ends_the_work(tmp_path: Path) -> None:
    def told(done: int) -> None:
        if done >= 2:
            raise stopped()

    with pytest.raises(Stopped):
        run_all(partial(_touch, tmp_path), range(500), processes=2, told=told)
    assert len(list(tmp_path.iterdir())) < 500
