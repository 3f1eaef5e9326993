"""Rows go to Parquet and come back; equal rows are equal bytes."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunesmith.core.digest import of_file
from tunesmith.core.errors import DataError
from tunesmith.records.conversation import Conversation, Message, identify
from tunesmith.records.document import Document
from tunesmith.records.preference import Preference
from tunesmith.records.problem import Problem
from tunesmith.records.rows import (
    FILE_NAME,
    count_rows,
    read_conversations,
    read_documents,
    read_preferences,
    read_problems,
    write_conversations,
    write_documents,
    write_preferences,
    write_problems,
)

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
MESSAGES = st.lists(
    st.builds(Message, st.sampled_from(["system", "user", "assistant", "tool"]), TEXT), max_size=4
).map(tuple)
CONVERSATIONS = st.lists(
    st.builds(Conversation, MESSAGES, TEXT, st.integers(0, 2**40), TEXT, TEXT), max_size=8
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=CONVERSATIONS)
def test_conversations_come_back_as_they_were_written(
    rows: list[Conversation], tmp_path: Path
) -> None:
    assert write_conversations(tmp_path, rows) == len(rows)
    assert list(read_conversations(tmp_path)) == rows
    assert count_rows(tmp_path) == len(rows)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.builds(Preference, MESSAGES, TEXT, TEXT, TEXT, st.integers(0, 9), TEXT)))
def test_preferences_come_back_as_they_were_written(rows: list[Preference], tmp_path: Path) -> None:
    write_preferences(tmp_path, rows)
    assert list(read_preferences(tmp_path)) == rows


def test_documents_and_problems_come_back_as_they_were_written(tmp_path: Path) -> None:
    documents = [Document("text", "a.txt", 0, "1", "title"), Document("", "a.txt", 1, "2")]
    problems = [Problem("def f():", "f", "def check(f): ...", "", "p.jsonl", 3, "x")]
    write_documents(tmp_path / "d", documents)
    write_problems(tmp_path / "p", problems)
    assert list(read_documents(tmp_path / "d")) == documents
    assert list(read_problems(tmp_path / "p")) == problems


def test_equal_rows_are_equal_bytes_however_they_arrive(tmp_path: Path) -> None:
    rows = [_row(i) for i in range(2500)]
    write_conversations(tmp_path / "list", rows)
    write_conversations(tmp_path / "stream", (row for row in rows))
    assert of_file(tmp_path / "list" / FILE_NAME) == of_file(tmp_path / "stream" / FILE_NAME)
    assert list(read_conversations(tmp_path / "stream")) == rows


def test_no_row_is_a_table_without_rows(tmp_path: Path) -> None:
    assert write_conversations(tmp_path, []) == 0
    assert list(read_conversations(tmp_path)) == []


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"PAR1 torn")
    with pytest.raises(DataError, match=r"rows\.parquet cannot be read") as caught:
        list(read_conversations(tmp_path))
    assert caught.value.code == "rows-unreadable"


def test_a_table_of_another_record_type_names_the_missing_columns(tmp_path: Path) -> None:
    write_documents(tmp_path, [Document("t", "s", 0, "i")])
    with pytest.raises(DataError) as caught:
        list(read_conversations(tmp_path))
    assert "messages" in caught.value.why


def test_an_id_depends_on_text_and_origin_only() -> None:
    row = _row(1)
    assert row.id == identify(row.messages, "s", 1)
    assert row.id != identify(row.messages, "s", 2)
    assert row.id != identify((Message("user", "other"),), "s", 1)


def _row(number: int) -> Conversation:
    messages = (Message("user", f"q {number}"), Message("assistant", "a"))
    return Conversation(messages, "s", number, identify(messages, "s", number))
