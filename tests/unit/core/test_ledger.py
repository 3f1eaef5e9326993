"""The ledger: all or nothing, the last word counts, old and newer files, readers beside a writer."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunesmith.core import database
from tunesmith.core.errors import StoreError
from tunesmith.core.ledger import Ledger, Record
from tunesmith.core.migrations import MIGRATIONS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".tunesmith" / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger(path) as opened:
        yield opened


def record(key: str = "key", **changes: Any) -> Record:
    values: dict[str, Any] = {
        "stage": "train", "version": 1, "config": {"rank": 8}, "seed": 7, "seconds": 1.5,
        "peak_bytes": 100, "inputs": {"rows": "d1", "many": ("d2", "d3")},
        "outputs": {"tuned": ("tuned", "d4"), "card": ("card", "d5")}, **changes,
    }  # fmt: skip
    return Record(key, **values)


def metric(value: float, subject: str = "tuned", name: str = "rouge1") -> dict[str, Any]:
    return {"at": 1.0, "kind": "metric", "subject": subject, "name": name, "value": value,
            "low": 0.0, "high": 1.0, "n": 3, "unit": "share", "scorer": "x"}  # fmt: skip


def gate(decision: str, name: str = "enough", **more: Any) -> dict[str, Any]:
    return {"at": 1.0, "kind": "gate", "name": name, "decision": decision, "reason": "so", **more}


def start_run(ledger: Ledger, run: str = "run") -> None:
    ledger.start_run(run, recipe="sft", seed=1, settings={"a": 1}, provenance={}, machine={"cpus": 2},
                     versions={})  # fmt: skip


# results


def test_an_acknowledged_result_is_read_back_with_its_edges(ledger: Ledger) -> None:
    ledger.acknowledge(record())
    result = ledger.result("key")
    assert result is not None
    assert result.outputs == {"tuned": ("tuned", "d4"), "card": ("card", "d5")}
    assert (result.stage, result.seconds, result.peak_bytes) == ("train", 1.5, 100)
    edges = [(e["name"], e["position"], e["digest"]) for e in ledger.input_digests("key")]
    assert edges == [("many", 0, "d2"), ("many", 1, "d3"), ("rows", 0, "d1")]
    maker = ledger.maker("d4")
    assert maker is not None
    assert (maker["key"], maker["name"]) == ("key", "tuned")


def test_what_was_never_acknowledged_is_not_there(ledger: Ledger) -> None:
    assert (ledger.result("key"), ledger.maker("d4"), ledger.gates("key")) == (None, None, [])


def test_acknowledging_again_replaces_everything(ledger: Ledger) -> None:
    ledger.add_events("key", [metric(0.1), gate("failed")])
    ledger.acknowledge(record())
    ledger.forget_events("key")
    ledger.add_events("key", [metric(0.2, name="bleu")])
    ledger.acknowledge(record(outputs={"other": ("tuned", "d9")}, inputs={}))
    result = ledger.result("key")
    assert result is not None
    assert result.outputs == {"other": ("tuned", "d9")}
    assert ledger.input_digests("key") == []
    assert [m["name"] for m in ledger.metrics("key")] == ["bleu"]
    assert ledger.gates("key") == []


def test_the_last_metric_and_gate_of_a_name_win_and_keep_their_order(ledger: Ledger) -> None:
    ledger.add_events(
        "key", [metric(0.1), metric(0.5, name="bleu"), gate("failed"), gate("failed", "b")]
    )
    ledger.add_events("key", [metric(0.2), metric(0.3, subject="base"), gate("passed", value=2.5)])
    ledger.acknowledge(record())
    metrics = {(m["subject"], m["name"]): m["value"] for m in ledger.metrics("key")}
    assert metrics == {("tuned", "rouge1"): 0.2, ("tuned", "bleu"): 0.5, ("base", "rouge1"): 0.3}
    gates = {g["name"]: g for g in ledger.gates("key")}
    assert {name: g["decision"] for name, g in gates.items()} == {"enough": "passed", "b": "failed"}
    assert (gates["enough"]["value"], gates["enough"]["blocking"]) == (2.5, True)


def test_what_a_killed_attempt_said_first_gives_way_to_the_last_word(ledger: Ledger) -> None:
    def said(turn: int) -> list[dict[str, Any]]:
        return [
            {"at": turn, "kind": "started", "stage": "train"},
            {"at": turn, "kind": "fact", "name": "plan", "body": turn},
            {"at": turn, "kind": "accounting", "step": "clean", "rows_in": turn, "rows_out": turn,
             "dropped": {}},
            {"at": turn, "kind": "point", "series": "loss", "x": 1, "y": turn},
            {"at": turn, "kind": "note", "text": f"turn {turn}"},
        ]  # fmt: skip

    lost = {"at": 1, "kind": "point", "series": "loss", "x": 0, "y": 9}
    ledger.add_events("key", [lost, *said(1)])
    ledger.add_events("key", said(2))
    ledger.acknowledge(record())
    by_kind = {
        kind: [e["at"] for e in ledger.events("key", kind)]
        for kind in ("started", "fact", "accounting", "point", "note")
    }
    assert by_kind == {
        "started": [1, 2], "fact": [2], "accounting": [2], "point": [1, 2], "note": [1, 2],
    }  # fmt: skip
    assert [p["x"] for p in ledger.events("key", "point")] == [0, 1]


def test_progress_is_not_kept_and_other_events_are_whole(ledger: Ledger) -> None:
    ledger.add_events(
        "key", [{"at": 1.0, "kind": "progress", "done": 1}, gate("passed", why={"好": [1]})]
    )
    (event,) = ledger.events("key")
    assert event == gate("passed", why={"好": [1]})


class Fragile:
    """A connection that fails at its ``at``-th statement."""

    def __init__(self, db: sqlite3.Connection, at: int, fail: Callable[[], object]) -> None:
        self._db, self._at, self._fail, self.seen = db, at, fail, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def __enter__(self) -> None:
        self._db.__enter__()

    def __exit__(self, *error: Any) -> Any:
        try:
            self._count()
        except sqlite3.Error:
            self._db.rollback()  # as the connection itself does when its commit fails
            raise
        return self._db.__exit__(*error)

    def execute(self, *arguments: Any) -> Any:
        self._count()
        return self._db.execute(*arguments)

    def executemany(self, *arguments: Any) -> Any:
        self._count()
        return self._db.executemany(*arguments)

    def _count(self) -> None:
        self.seen += 1
        if self.seen == self._at:
            self._fail()


def everything(path: Path) -> dict[str, list[Any]]:
    with sqlite3.connect(path) as db:
        tables = ("results", "outputs", "inputs", "metrics", "gates", "events")
        rows = {table: db.execute(f"SELECT * FROM {table}").fetchall() for table in tables}
    db.close()
    return rows


def statements(path: Path) -> int:
    """Number of statements of one acknowledgement."""
    with Ledger(path) as ledger:
        fragile = Fragile(ledger._db, 0, lambda: None)
        ledger._db = fragile  # type: ignore[assignment]
        ledger.acknowledge(record())
    return fragile.seen


@pytest.mark.parametrize("way", ["error", "kill"])
def test_an_acknowledgement_is_all_or_nothing_wherever_it_fails(tmp_path: Path, way: str) -> None:
    def full() -> None:
        raise sqlite3.OperationalError("injected")

    total = statements(tmp_path / "count.sqlite")
    assert total > 10
    for at in range(1, total + 1):
        path = tmp_path / f"{way}{at}" / "ledger.sqlite"
        with Ledger(path) as ledger:
            ledger.add_events("key", [metric(0.1), gate("failed")])
            ledger.acknowledge(record())
            ledger.add_events("key", [metric(0.2), gate("passed")])
        before = everything(path)
        if way == "error":
            with Ledger(path) as ledger:
                fragile = Fragile(ledger._db, at, full)
                ledger._db = fragile  # type: ignore[assignment]
                with pytest.raises(sqlite3.OperationalError, match="injected"):
                    ledger.acknowledge(record(seconds=9.0, outputs={"new": ("tuned", "d8")}))
                ledger._db = fragile._db
                assert not ledger._db.in_transaction
        else:
            _killed_while_acknowledging(path, at)
        assert everything(path) == before


def _killed_while_acknowledging(path: Path, at: int) -> None:
    child = os.fork()
    if child == 0:
        ledger = Ledger(path)
        ledger._db = Fragile(ledger._db, at, lambda: os._exit(9))  # type: ignore[assignment]
        ledger.acknowledge(record(seconds=9.0, outputs={"new": ("tuned", "d8")}))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_a_metric_that_the_tables_refuse_is_our_fault_and_changes_nothing(
    path: Path, ledger: Ledger
) -> None:
    ledger.add_events("key", [{**metric(0.1), "value": None}])
    with pytest.raises(sqlite3.IntegrityError):
        ledger.acknowledge(record())
    assert ledger.result("key") is None


# runs


def test_runs_come_newest_first_and_are_found_by_the_start_of_their_name(ledger: Ledger) -> None:
    for name in ("20260101-a_1", "20260102-ab1", "20260103-a%1"):
        start_run(ledger, name)
    assert ledger.runs()[0]["id"] == "20260103-a%1"
    newest = ledger.run()
    assert newest is not None
    assert (newest["id"], newest["settings"], newest["error"]) == ("20260103-a%1", {"a": 1}, None)
    found = ledger.run("20260101-a_")
    assert found is not None
    assert found["id"] == "20260101-a_1"
    assert (ledger.run("20260102-a_"), ledger.run("20260102-a%"), ledger.run("A")) == (
        None,
        None,
        None,
    )


def test_a_finished_run_keeps_its_error(ledger: Ledger) -> None:
    start_run(ledger)
    ledger.finish_run("run", "failed", {"what": "好"})
    run = ledger.run("run")
    assert run is not None
    assert (run["status"], run["error"], run["finished"] is None) == (
        "failed",
        {"what": "好"},
        False,
    )


def test_runs_of_a_dead_launcher_are_marked_killed_and_others_are_not(ledger: Ledger) -> None:
    for run in ("dead", "done"):
        start_run(ledger, run)
        ledger.set_step(
            run, 0, "a", stage="s", verb="v", status="running" if run == "dead" else "done"
        )
    ledger.finish_run("done", "done")
    assert ledger.mark_killed() == 1
    assert {run["id"]: run["status"] for run in ledger.runs()} == {"dead": "killed", "done": "done"}
    assert [ledger.steps(run)[0]["status"] for run in ("dead", "done")] == ["killed", "done"]


def test_a_step_is_updated_without_losing_what_was_known(ledger: Ledger) -> None:
    start_run(ledger)
    ledger.set_step("run", 1, "b", stage="s", verb="v", status="waiting")
    ledger.set_step("run", 0, "a", stage="s", verb="v", status="running", started=5.0)
    ledger.set_step("run", 0, "a", status="done", seconds=2.0, stage="s", verb="v")
    steps = ledger.steps("run")
    assert [(s["step"], s["status"], s["started"], s["seconds"]) for s in steps] == [
        ("a", "done", 5.0, 2.0), ("b", "waiting", None, None),
    ]  # fmt: skip


def test_the_reason_given_last_is_the_reason_of_an_acceptance(ledger: Ledger) -> None:
    for run, because in (("one", "first"), ("two", "second")):
        start_run(ledger, run)
        ledger.accept(run, "key", "enough", because)
    assert ledger.acceptances("key") == {"enough": "second"}


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cs"])), number=st.floats(allow_nan=False))
def test_hostile_text_is_data(ledger: Ledger, text: str, number: float) -> None:
    ledger.add_events("key", [{"at": 1.0, "kind": "note", "text": text, text: number}])
    event = ledger.events("key", "note")[-1]
    assert event[text] == number
    assert ledger.run(text) is None


# files


def test_a_new_ledger_is_brought_to_todays_version(path: Path, ledger: Ledger) -> None:
    assert ledger._db.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
    assert ledger._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert ledger._db.execute("PRAGMA synchronous").fetchone()[0] == 2


def test_a_second_opening_changes_nothing(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.acknowledge(record())
    with Ledger(path) as ledger:
        assert ledger.result("key") is not None


def test_an_older_ledger_gets_the_steps_that_it_lacks(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger(path) as ledger:
        ledger.acknowledge(record())
    later = (*MIGRATIONS, "CREATE TABLE later (a TEXT); CREATE INDEX by_a ON later (a);")
    monkeypatch.setattr(database, "MIGRATIONS", later)
    with Ledger(path) as ledger:
        assert ledger.result("key") is not None
        assert ledger._db.execute("PRAGMA user_version").fetchone()[0] == len(later)
        assert ledger._db.execute("SELECT * FROM later").fetchall() == []


def test_a_migration_that_fails_leaves_the_file_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger(path) as ledger:
        ledger.acknowledge(record())
    broken = (*MIGRATIONS, "CREATE TABLE later (a TEXT);", "CREATE TABLE other (a TEXT); NONSENSE;")
    with monkeypatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", broken)
        with pytest.raises(sqlite3.OperationalError, match="NONSENSE"):
            Ledger(path)
    with Ledger(path) as ledger:
        assert ledger.result("key") is not None
        tables = {row[0] for row in ledger._db.execute("SELECT name FROM sqlite_master")}
    assert not tables & {"later", "other"}


@pytest.mark.parametrize("readonly", [False, True])
def test_a_ledger_of_a_newer_tunesmith_is_refused(path: Path, readonly: bool) -> None:
    Ledger(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError) as caught:
        Ledger(path, readonly=readonly)
    assert (caught.value.code, "99" in caught.value.why) == ("ledger-newer", True)


def test_a_reader_sees_what_was_acknowledged_while_the_writer_works(
    path: Path, ledger: Ledger
) -> None:
    ledger.acknowledge(record("first"))
    with Ledger(path, readonly=True) as reader:
        with ledger._transaction():
            assert reader.result("first") is not None, "a writer at work does not block readers"
        ledger.acknowledge(record("second"))
        assert reader.result("second") is not None


def test_a_reader_cannot_write(path: Path) -> None:
    Ledger(path).close()
    with Ledger(path, readonly=True) as reader, pytest.raises(StoreError) as caught:
        reader.acknowledge(record())
    assert caught.value.code == "folder-read-only"


def test_a_reader_makes_no_ledger_where_there_is_none(path: Path) -> None:
    with pytest.raises(StoreError):
        Ledger(path, readonly=True)
    assert not path.exists()


@pytest.mark.parametrize("name", ["what? #1 100%.sqlite", "好 .sqlite"])
def test_a_reader_opens_a_file_of_any_name(tmp_path: Path, name: str) -> None:
    with Ledger(tmp_path / name) as ledger:
        ledger.acknowledge(record())
    with Ledger(tmp_path / name, readonly=True) as reader:
        assert reader.result("key") is not None


def test_a_ledger_without_tables_says_that_there_are_no_runs(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with pytest.raises(StoreError) as caught:
        Ledger(path, readonly=True)
    assert caught.value.code == "run-missing"


@pytest.mark.parametrize("readonly", [False, True])
def test_a_file_that_is_no_ledger_is_told_with_a_remedy(path: Path, readonly: bool) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is not a database at all" * 100)
    with pytest.raises(StoreError) as caught:
        Ledger(path, readonly=readonly)
    assert caught.value.code == "ledger-unreadable"


def test_a_damaged_page_is_told_and_not_a_traceback(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.add_events("key", [metric(i / 1000) for i in range(1000)])
        ledger.acknowledge(record())
    data = bytearray(path.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    path.write_bytes(data)
    with Ledger(path, readonly=True) as ledger, pytest.raises(StoreError) as caught:
        ledger.events("key")
    assert caught.value.code == "ledger-unreadable"


def test_a_place_that_is_no_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError):
        Ledger(tmp_path / "file" / "ledger.sqlite")


def test_a_failed_opening_leaves_no_file_open(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is not a database at all" * 100)
    before = len(os.listdir("/proc/self/fd"))
    for readonly in (False, True):
        with pytest.raises(StoreError):
            Ledger(path, readonly=readonly)
    assert len(os.listdir("/proc/self/fd")) == before


def test_two_launchers_that_make_the_ledger_at_once_both_find_it_made(tmp_path: Path) -> None:
    for turn in range(5):
        path = tmp_path / str(turn) / "ledger.sqlite"
        children = []
        for _ in range(3):
            child = os.fork()
            if child == 0:
                try:
                    Ledger(path).close()
                except BaseException:
                    os._exit(1)
                os._exit(0)
            children.append(child)
        statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        assert statuses == [0, 0, 0]


def test_a_copied_ledger_is_read_without_its_log(path: Path, tmp_path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.acknowledge(record())
    shutil.copy(path, tmp_path / "copy.sqlite")
    with Ledger(tmp_path / "copy.sqlite", readonly=True) as reader:
        assert reader.result("key") is not None
