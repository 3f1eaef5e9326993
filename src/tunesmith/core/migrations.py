"""The ledger's tables, as steps that are applied once each and never edited afterwards."""

from __future__ import annotations

from typing import Final

MIGRATIONS: Final[tuple[str, ...]] = (
    """
    CREATE TABLE runs (
        id TEXT PRIMARY KEY, recipe TEXT NOT NULL, seed INTEGER NOT NULL, status TEXT NOT NULL,
        created REAL NOT NULL, finished REAL, settings TEXT NOT NULL, provenance TEXT NOT NULL,
        machine TEXT NOT NULL, versions TEXT NOT NULL, error TEXT
    ) STRICT;
    CREATE TABLE results (
        key TEXT PRIMARY KEY, stage TEXT NOT NULL, version INTEGER NOT NULL, config TEXT NOT NULL,
        seed INTEGER NOT NULL, created REAL NOT NULL, seconds REAL NOT NULL, peak_bytes INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE outputs (
        key TEXT NOT NULL REFERENCES results(key), name TEXT NOT NULL, kind TEXT NOT NULL,
        digest TEXT NOT NULL, PRIMARY KEY (key, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE inputs (
        key TEXT NOT NULL REFERENCES results(key), name TEXT NOT NULL, position INTEGER NOT NULL,
        digest TEXT NOT NULL, PRIMARY KEY (key, name, position)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX outputs_by_digest ON outputs (digest);
    CREATE INDEX inputs_by_digest ON inputs (digest);
    CREATE TABLE metrics (
        key TEXT NOT NULL REFERENCES results(key), subject TEXT NOT NULL, name TEXT NOT NULL,
        value REAL NOT NULL, low REAL NOT NULL, high REAL NOT NULL, n INTEGER NOT NULL,
        unit TEXT NOT NULL, scorer TEXT NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (key, subject, name)
    ) STRICT;
    CREATE TABLE gates (
        key TEXT NOT NULL REFERENCES results(key), name TEXT NOT NULL, decision TEXT NOT NULL,
        blocking INTEGER NOT NULL, reason TEXT NOT NULL, body TEXT NOT NULL,
        position INTEGER NOT NULL, PRIMARY KEY (key, name)
    ) STRICT;
    CREATE TABLE events (
        id INTEGER PRIMARY KEY, key TEXT NOT NULL, at REAL NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX events_by_key ON events (key, id);
    CREATE TABLE run_steps (
        run TEXT NOT NULL REFERENCES runs(id), position INTEGER NOT NULL, step TEXT NOT NULL,
        stage TEXT NOT NULL, verb TEXT NOT NULL, key TEXT, status TEXT NOT NULL, started REAL,
        seconds REAL, error TEXT, PRIMARY KEY (run, step)
    ) STRICT;
    CREATE TABLE acceptances (
        run TEXT NOT NULL REFERENCES runs(id), key TEXT NOT NULL, gate TEXT NOT NULL,
        because TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (run, key, gate)
    ) STRICT;
    """,
)
