"""The ledger: which result came from which inputs, settings and seed, and every number about it.

SQLite with a write-ahead log and synchronous=FULL: what a call has returned from survives a kill
and a power cut. Only the launcher writes; readers open it read-only.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith.core.database import connect, explain
from tunesmith.core.store import disk_error

Row = dict[str, Any]

_FORGET_SUPERSEDED = """
DELETE FROM events WHERE key = ? AND kind IN ('fact', 'accounting', 'point', 'metric', 'gate')
AND id NOT IN (
    SELECT max(id) FROM events WHERE key = ? GROUP BY kind, json_extract(body, '$.name'),
        json_extract(body, '$.subject'), json_extract(body, '$.step'),
        json_extract(body, '$.series'), json_extract(body, '$.x')
)"""
"""A killed attempt and the one that went on say many things twice; the last word counts."""


@dataclass(frozen=True, slots=True)
class Result:
    """An acknowledged step: its outputs as {name: (kind, digest)}."""

    key: str
    stage: str
    seconds: float
    peak_bytes: int
    outputs: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Record:
    """Everything that is acknowledged in one transaction when a step has finished."""

    key: str
    stage: str
    version: int
    config: Mapping[str, Any]
    seed: int
    seconds: float
    peak_bytes: int
    inputs: Mapping[str, str | tuple[str, ...]]
    outputs: Mapping[str, tuple[str, str]]


class Ledger:
    """One project's ledger. ``readonly`` opens it for the report and the dashboard."""

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self.path = path
        try:
            self._db = connect(path, readonly=readonly)
        except OSError as error:
            raise disk_error(error, path.parent) from error
        except sqlite3.DatabaseError as error:
            explain(path, error)

    def close(self) -> None:
        """Let the file go."""
        self._db.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # results

    def result(self, key: str) -> Result | None:
        """The acknowledged result of a step, or None."""
        row = self._one("SELECT * FROM results WHERE key = ?", key)
        if row is None:
            return None
        outputs = self._all("SELECT name, kind, digest FROM outputs WHERE key = ?", key)
        return Result(
            key, row["stage"], row["seconds"], row["peak_bytes"],
            {o["name"]: (o["kind"], o["digest"]) for o in outputs},
        )  # fmt: skip

    def acknowledge(self, record: Record) -> None:
        """Make a step's result, edges, metrics and gates durable, all or nothing."""
        with self._transaction() as db:
            for table in ("outputs", "inputs", "metrics", "gates", "results"):
                db.execute(f"DELETE FROM {table} WHERE key = ?", (record.key,))
            db.execute(
                "INSERT INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (record.key, record.stage, record.version, json.dumps(record.config), record.seed,
                 time.time(), record.seconds, record.peak_bytes),
            )  # fmt: skip
            db.execute(_FORGET_SUPERSEDED, (record.key, record.key))
            db.executemany(
                "INSERT INTO outputs VALUES (?, ?, ?, ?)",
                [(record.key, name, kind, d) for name, (kind, d) in record.outputs.items()],
            )
            db.executemany("INSERT INTO inputs VALUES (?, ?, ?, ?)", _edges(record))
            self._index_events(db, record.key)

    def add_events(self, key: str, events: Iterable[Mapping[str, Any]]) -> None:
        """Append a running step's events; progress is not kept."""
        rows = [
            (key, event["at"], event["kind"], json.dumps(_body(event), ensure_ascii=False))
            for event in events
            if event["kind"] != "progress"
        ]
        if rows:
            with self._transaction() as db:
                db.executemany("INSERT INTO events (key, at, kind, body) VALUES (?, ?, ?, ?)", rows)

    def forget_events(self, key: str) -> None:
        """Drop the events of an attempt that will be read again from its file."""
        with self._transaction() as db:
            db.execute("DELETE FROM events WHERE key = ?", (key,))

    def events(self, key: str, kind: str | None = None) -> list[Row]:
        """Events of a step in order, each with ``at`` and ``kind`` among its fields."""
        rows = self._all(
            "SELECT at, kind, body FROM events WHERE key = ? AND (? IS NULL OR kind = ?) ORDER BY id",
            key, kind, kind,
        )  # fmt: skip
        return [{"at": r["at"], "kind": r["kind"], **json.loads(r["body"])} for r in rows]

    def metrics(self, key: str) -> list[Row]:
        """Metrics of a step: subject, name, value, low, high, n, unit, scorer."""
        return self._all(
            "SELECT subject, name, value, low, high, n, unit, scorer FROM metrics"
            " WHERE key = ? ORDER BY position",
            key,
        )

    def gates(self, key: str) -> list[Row]:
        """Gates of a step: name, decision, blocking, reason, and what was compared."""
        rows = self._all("SELECT * FROM gates WHERE key = ? ORDER BY position", key)
        return [
            {**json.loads(r["body"]), "name": r["name"], "decision": r["decision"],
             "blocking": bool(r["blocking"]), "reason": r["reason"]}
            for r in rows
        ]  # fmt: skip

    def maker(self, digest: str) -> Row | None:
        """The oldest result that gave this artefact: key, stage and output name."""
        return self._one(
            "SELECT r.key, r.stage, o.name, o.kind, r.config, r.created FROM outputs o"
            " JOIN results r USING (key) WHERE o.digest = ? ORDER BY r.created LIMIT 1",
            digest,
        )

    def input_digests(self, key: str) -> list[Row]:
        """Edges into a result: name, position and digest of each input."""
        return self._all(
            "SELECT name, position, digest FROM inputs WHERE key = ? ORDER BY name, position", key
        )

    # runs

    def start_run(self, run: str, *, recipe: str, seed: int, settings: object,
                  provenance: object, machine: object, versions: object) -> None:  # fmt: skip
        """Open a run; its status is ``running`` until `finish_run`."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO runs VALUES (?, ?, ?, 'running', ?, NULL, ?, ?, ?, ?, NULL)",
                (run, recipe, seed, time.time(), json.dumps(settings), json.dumps(provenance),
                 json.dumps(machine), json.dumps(versions)),
            )  # fmt: skip

    def finish_run(self, run: str, status: str, error: Mapping[str, str] | None = None) -> None:
        """Close a run: ``done``, ``gate failed``, ``failed``, ``stopped`` or ``killed``."""
        with self._transaction() as db:
            db.execute(
                "UPDATE runs SET status = ?, finished = ?, error = ? WHERE id = ?",
                (status, time.time(), json.dumps(error) if error else None, run),
            )

    def mark_killed(self) -> int:
        """Close runs whose launcher died; call it while holding the project's lock."""
        with self._transaction() as db:
            left = db.execute("UPDATE runs SET status = 'killed' WHERE status = 'running'").rowcount
            db.execute("UPDATE run_steps SET status = 'killed' WHERE status = 'running'")
        return left

    def set_step(self, run: str, position: int, step: str, **values: object) -> None:
        """Insert or update one step of a run (stage, verb, key, status, started, seconds, error)."""
        names = ", ".join(values)
        marks = ", ".join("?" for _ in values)
        updates = ", ".join(f"{name} = excluded.{name}" for name in values)
        with self._transaction() as db:
            # The names come from keyword arguments in this package, never from a user.
            db.execute(
                f"INSERT INTO run_steps (run, position, step, {names}) VALUES (?, ?, ?, {marks})"
                f" ON CONFLICT (run, step) DO UPDATE SET {updates}",
                (run, position, step, *values.values()),
            )

    def accept(self, run: str, key: str, gate: str, because: str) -> None:
        """Record that a person let a failed gate pass, and why."""
        with self._transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO acceptances VALUES (?, ?, ?, ?, ?)",
                (run, key, gate, because, time.time()),
            )

    def acceptances(self, key: str) -> dict[str, str]:
        """Gates of a step that a person accepted, with the reason given last."""
        rows = self._all("SELECT gate, because FROM acceptances WHERE key = ? ORDER BY at", key)
        return {row["gate"]: row["because"] for row in rows}

    def runs(self) -> list[Row]:
        """Every run, newest first, with settings, machine and versions opened."""
        return [
            _opened(row) for row in self._all("SELECT * FROM runs ORDER BY created DESC, id DESC")
        ]

    def run(self, prefix: str | None = None) -> Row | None:
        """The run whose id starts with ``prefix``, or the newest; None when there is none."""
        row = self._one(
            "SELECT * FROM runs WHERE substr(id, 1, length(?1)) = ?1"
            " ORDER BY created DESC, id DESC LIMIT 1",
            prefix or "",
        )
        return None if row is None else _opened(row)

    def steps(self, run: str) -> list[Row]:
        """Steps of a run in order: step, stage, verb, key, status, started, seconds, error."""
        return self._all("SELECT * FROM run_steps WHERE run = ? ORDER BY position", run)

    # plumbing

    def _index_events(self, db: sqlite3.Connection, key: str) -> None:
        """Copy the last metric and gate of each name from the events into their tables."""
        events = self.events(key)
        metrics = {(e["subject"], e["name"]): e for e in events if e["kind"] == "metric"}
        gates = {e["name"]: e for e in events if e["kind"] == "gate"}
        db.executemany(
            "INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(key, e["subject"], e["name"], e["value"], e["low"], e["high"], e["n"], e["unit"],
              e["scorer"], i) for i, e in enumerate(metrics.values())],
        )  # fmt: skip
        db.executemany(
            "INSERT INTO gates VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(key, e["name"], e["decision"], int(e.get("blocking", True)), e["reason"],
              json.dumps(_body(e), ensure_ascii=False), i) for i, e in enumerate(gates.values())],
        )  # fmt: skip

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
        except sqlite3.DatabaseError as error:
            explain(self.path, error)

    def _all(self, query: str, *values: object) -> list[Row]:
        try:
            return [dict(row) for row in self._db.execute(query, values)]
        except sqlite3.DatabaseError as error:
            explain(self.path, error)

    def _one(self, query: str, *values: object) -> Row | None:
        rows = self._all(query, *values)
        return rows[0] if rows else None


def _edges(record: Record) -> list[tuple[str, str, int, str]]:
    edges: list[tuple[str, str, int, str]] = []
    for name, value in record.inputs.items():
        digests = (value,) if isinstance(value, str) else value
        edges.extend((record.key, name, i, digest) for i, digest in enumerate(digests))
    return edges


def _body(event: Mapping[str, Any]) -> Row:
    return {name: value for name, value in event.items() if name not in {"at", "kind"}}


def _opened(row: Row) -> Row:
    for name in ("settings", "provenance", "machine", "versions", "error"):
        row[name] = json.loads(row[name]) if row[name] else None
    return row
