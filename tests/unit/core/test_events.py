"""The event stream: torn lines, readers beside a writer, hostile text."""

from __future__ import annotations

import json
import math
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.events import EventReader, EventWriter, read


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "events.jsonl"


def notes(events: list[dict[str, Any]]) -> list[str]:
    return [event["text"] for event in events]


def test_events_come_back_in_order_with_their_time(path: Path) -> None:
    writer = EventWriter(path)
    writer.write("note", text="one")
    writer.write("point", series="loss", x=1, y=2.5)
    writer.close()
    first, second = read(path)
    assert (first["kind"], first["text"]) == ("note", "one")
    assert (second["x"], second["y"]) == (1, 2.5)
    assert first["at"] <= second["at"]


def test_a_reader_sees_each_event_once_while_the_writer_goes_on(path: Path) -> None:
    reader = EventReader(path)
    assert list(reader.new()) == [], "the file is not there yet"
    writer = EventWriter(path)
    for text in ("one", "two", "three"):
        writer.write("note", text=text)
        assert notes(list(reader.new())) == [text]
    assert list(reader.new()) == []
    writer.close()


def test_a_torn_last_line_is_left_until_it_is_whole(path: Path) -> None:
    writer = EventWriter(path)
    writer.write("note", text="whole")
    writer.close()
    reader = EventReader(path)
    line = json.dumps({"at": 0, "kind": "note", "text": "late"}).encode() + b"\n"
    for cut in range(1, len(line)):
        with path.open("ab") as file:
            file.write(line[cut - 1 : cut])
        assert notes(list(reader.new())) == (["whole"] if cut == 1 else [])
    with path.open("ab") as file:
        file.write(line[-1:])
    assert notes(list(reader.new())) == ["late"]


@pytest.mark.parametrize(
    "torn", [b'{"at": 1, "kin', b"\xe5\xa5", b"{", b'{"at": 1, "kind": "note"']
)
def test_the_next_writer_ends_a_line_that_a_killed_one_tore(path: Path, torn: bytes) -> None:
    writer = EventWriter(path)
    writer.write("note", text="before")
    writer.close()
    with path.open("ab") as file:
        file.write(torn)
    writer = EventWriter(path)
    writer.write("note", text="after")
    writer.close()
    assert notes(read(path)) == ["before", "after"]


@pytest.mark.parametrize("line", ["not json", "[]", "3", '{"kind": "unknown"}', '{"at": 1}', ""])
def test_a_line_that_is_no_event_is_skipped(path: Path, line: str) -> None:
    path.parent.mkdir()
    path.write_text(f'{line}\n{{"at": 1, "kind": "note", "text": "good"}}\n')
    assert notes(read(path)) == ["good"]


@given(st.text())
def test_any_text_passes_through_whole(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("events") / "events.jsonl"
    writer = EventWriter(path)
    writer.write("note", text=text)
    writer.close()
    assert notes(read(path)) == [text.encode("utf-8", "replace").decode()]


def test_a_lone_surrogate_does_not_stop_a_stage(path: Path) -> None:
    writer = EventWriter(path)
    writer.write("note", text="a\ud800b")
    writer.close()
    assert notes(read(path)) == ["a?b"]


def test_what_is_not_finite_becomes_null_and_the_line_stays_json(path: Path) -> None:
    writer = EventWriter(path)
    writer.write("point", series="loss", x=1, y=math.nan)
    writer.write("fact", name="table", body={"rows": [1.0, math.inf, (math.nan,)]})
    writer.close()
    lines = path.read_text().splitlines()
    point, fact = (
        json.loads(line, parse_constant=lambda name: pytest.fail(name)) for line in lines
    )
    assert point["y"] is None
    assert fact["body"] == {"rows": [1.0, None, [None]]}


def test_several_threads_write_whole_lines(path: Path) -> None:
    writer = EventWriter(path)

    def work(name: int) -> None:
        for i in range(100):
            writer.write("note", text=f"{name}:{i}:" + "x" * 3000)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    assert len(path.read_bytes().splitlines()) == 400
    seen = [text.split(":")[:2] for text in notes(read(path))]
    for name in range(4):
        assert [i for n, i in seen if n == str(name)] == [str(i) for i in range(100)]


def test_a_reader_beside_a_writer_never_sees_half_an_event(path: Path) -> None:
    writer, reader, seen = EventWriter(path), EventReader(path), []
    done = threading.Event()

    def work() -> None:
        for i in range(300):
            writer.write("note", text=str(i) + "y" * 5000)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not done.is_set():
        seen += notes(list(reader.new()))
    thread.join()
    seen += notes(list(reader.new()))
    writer.close()
    assert [text.rstrip("y") for text in seen] == [str(i) for i in range(300)]
