"""What ``tunesmith show`` finds: a run, the runs, an artefact with its rows, settings, a label mask.

Every answer is a dictionary with ``kind``; the command line draws it, other readers take it as it is.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tunesmith.backends.schedule import Place
from tunesmith.core.errors import ConfigError
from tunesmith.core.ledger import Ledger
from tunesmith.core.store import Store
from tunesmith.core.table import nearest
from tunesmith.report.data import collect
from tunesmith.report.diff import artifacts

Shown = dict[str, Any]


def show(place: Place, what: str | None = None, *, limit: int = 20) -> Shown:
    """What ``what`` names: nothing (the newest run), ``runs``, ``mask``, a settings class,
    "step.output", a run's id, or the start of an artefact's digest. ``limit`` bounds the rows.

    Raises:
        ConfigError: when nothing has that name, or the project has no runs.

    """  # noqa: D205
    if what and re.fullmatch(r"[A-Z]\w*|Resources", what):
        from tunesmith.report.settings_class import describe

        return {"kind": "settings", **describe(what)}
    if not place.ledger.exists():
        raise ConfigError(
            f"{place.project} has no runs yet",
            why="there is nothing to show but settings, such as `tunesmith show TrainConfig`",
            fix="tunesmith run",
            code="run-missing",
        )
    with Ledger(place.ledger, readonly=True) as ledger:
        return _from_ledger(ledger, place.store(), what, limit)


def _from_ledger(ledger: Ledger, store: Store, what: str | None, limit: int) -> Shown:
    if what == "runs":
        return {"kind": "runs", "runs": ledger.runs()}
    run = ledger.run(what) or ledger.run()
    if run is None:
        raise ConfigError("the project has no runs yet", why="its ledger is empty",
                          fix="tunesmith run", code="run-missing")  # fmt: skip
    if what is None or run["id"].startswith(what):
        return {"kind": "run", **collect(ledger, store, run["id"])}
    outputs = artifacts(collect(ledger, store, run["id"]))
    if what == "mask":
        learn = ((run["settings"] or {}).get("train") or {}).get("learn", "last")
        return _mask(store, outputs, learn, limit)
    if what in outputs:
        return _artifact(ledger, store, outputs[what], limit)
    if re.fullmatch(r"[0-9a-f]{2,64}", what):
        found = store.find(what)
        if len(found) == 1:
            return _artifact(ledger, store, found[0], limit)
    near = nearest(what, [*outputs, "mask", "runs"])
    raise ConfigError(
        f"there is nothing called {what!r} in this project",
        why="a name is a run's id, the digest of an artefact, a step's output, "
        "`mask`, `runs` or a class of settings",
        fix=f"tunesmith show {near}"
        if near
        else "`tunesmith show` lists the outputs of the newest run",
        code="show-unknown",
    )


def _artifact(ledger: Ledger, store: Store, digest: str, limit: int) -> Shown:
    manifest = store.manifest(digest)
    path = store.path(digest)
    made = ledger.maker(digest)
    inputs = ledger.input_digests(made["key"]) if made else []
    return {
        "kind": "artifact", "digest": digest, "holds": manifest["kind"], "version": manifest["version"],
        "path": str(path), "files": manifest["files"], "damaged": store.verify(digest),
        "made_by": {"stage": made["stage"], "output": made["name"],
                    "settings": json.loads(made["config"])} if made else None,
        "inputs": [{"name": row["name"], "digest": row["digest"]} for row in inputs],
        "facts": _facts(path, manifest["files"]), "rows": _rows(path, limit),
    }  # fmt: skip


def _facts(path: Path, files: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What the artefact's own JSON says, file by file; weights' indices and tokenizers are left out."""
    wanted = ("scores.json", "verdict.json", "choice.json", "card.json", "health.json",
              "tuned.json", "table.json", "server.json")  # fmt: skip
    return {
        file["path"]: json.loads((path / file["path"]).read_text(encoding="utf-8"))
        for file in files
        if Path(file["path"]).name in wanted
    }


def _rows(path: Path, limit: int) -> list[dict[str, Any]]:
    """The first rows of the artefact's table, if it has one."""
    tables = sorted(path.glob("*.parquet"))
    if not tables or limit == 0:
        return []
    import pyarrow.parquet as pq

    table = next((t for t in tables if t.name == "rows.parquet"), tables[0])
    rows: list[dict[str, Any]] = []
    for batch in pq.ParquetFile(table).iter_batches(batch_size=limit):
        rows += batch.to_pylist()
        if len(rows) >= limit:
            break
    return rows[:limit]


def _mask(store: Store, outputs: Mapping[str, str], learn: Any, limit: int) -> Shown:
    """Tokens of the first training rows, each with whether a loss is computed for it."""
    rows_at = _first(outputs, lambda name: name.endswith(".train") and "later" not in name)
    model_at = _first(outputs, lambda name: name.endswith(".model"))
    from tunesmith.integrations.transformers import load_tokenizer
    from tunesmith.records.rows import read_conversations
    from tunesmith.tokens.chat import encode

    tokenizer = load_tokenizer(store.path(model_at))
    rows = []
    for row in itertools.islice(read_conversations(store.path(rows_at)), limit):
        encoded = encode(row.messages, tokenizer, learn=learn, name=f"{row.source}:{row.row}")
        tokens = pieces(encoded.ids, encoded.is_label, tokenizer.decode)
        rows.append({
            "id": row.id, "source": row.source, "row": row.row, "labels": encoded.labels,
            "length": len(encoded.ids), "tokens": tokens,
        })  # fmt: skip
    return {"kind": "mask", "rows": rows}


def pieces(
    ids: Sequence[int], is_label: Sequence[bool], decode: Callable[[list[int]], str]
) -> list[tuple[str, bool]]:
    """(text, is_label) of each token. Tokens that hold parts of one character are shown together."""
    found: list[tuple[str, bool]] = []
    waiting: list[int] = []
    for i, token in enumerate(ids):
        waiting.append(token)
        text = decode(waiting)
        last = i + 1 == len(ids) or is_label[i + 1] != is_label[i]
        if "\ufffd" not in text or last:
            found.append((text, is_label[i]))
            waiting = []
    return found


def _first(outputs: Mapping[str, str], fits: Callable[[str], bool]) -> str:
    found = next((digest for name, digest in outputs.items() if fits(name)), None)
    if found is None:
        raise ConfigError(
            "the newest run has no training rows and model yet",
            why="the mask shows how the model's own template and tokenizer cut the training rows",
            fix="tunesmith run --until train",
            code="mask-not-ready",
        )
    return found
