"""Run jobs: ``python -m tunesmith.worker FOLDER...``, or ``-`` to take folders from standard input.

A folder holds ``job.json``; the worker runs its stage in ``FOLDER/scratch``, appends
``FOLDER/events.jsonl``, publishes the outputs in the store and writes ``FOLDER/result.json``.
It never opens the ledger. With ``-`` one process serves a whole run, so that heavy packages are
imported once; when its standard input ends, the launcher is gone and the worker ends too.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tunesmith.core.artifact import Draft
from tunesmith.core.config import Resources, parse
from tunesmith.core.errors import EXIT_INTERRUPTED, TunesmithError
from tunesmith.core.events import EventWriter
from tunesmith.core.graph import Signature, signature
from tunesmith.core.stage import Context
from tunesmith.core.store import Store, disk_error, write_text_durably
from tunesmith.core.table import resolve
from tunesmith.stages import table

_stop = threading.Event()


def main(arguments: list[str]) -> int:
    """Run the given job folders; 0 when all of them gave a result."""
    signal.signal(signal.SIGTERM, lambda *_: _stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    status = 0
    for folder in _from_stdin() if arguments == ["-"] else map(Path, arguments):
        done = run_job(folder)
        status = max(status, 0 if done else 1)
        if arguments == ["-"]:
            _say("done" if done else "failed", folder)
        if _stop.is_set():
            return EXIT_INTERRUPTED
    return status


def run_job(folder: Path) -> bool:
    """Run the job described by ``folder/job.json``; False when it failed (see its result.json)."""
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    started = time.monotonic()
    writer = EventWriter(folder / "events.jsonl")
    try:
        writer.write("started", stage=job["stage"])
        body: dict[str, Any] = {"outputs": _run(job, folder, writer)}
    except TunesmithError as error:
        body = {"error": error.as_dict()}
    except OSError as error:
        body = _os_error(error, folder)
    except Exception as error:
        body = _crash(error)
    body["seconds"] = time.monotonic() - started
    writer.write("failed" if "error" in body else "finished", seconds=body["seconds"])
    writer.close()
    write_text_durably(folder / "result.json", json.dumps(body))
    return "error" not in body


def _run(job: dict[str, Any], folder: Path, writer: EventWriter) -> dict[str, list[str]]:
    stage = resolve(table()[job["stage"]])
    assert isinstance(stage, type), f"{job['stage']} is not a class"
    found = signature(stage)
    scratch, keep = folder / "scratch", folder / "keep"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    keep.mkdir(exist_ok=True)
    context = Context(
        scratch=scratch, keep=keep, events=writer, seed=job["seed"], cache=Path(job["cache"]),
        project=Path(job["project"]), stop=_stop,
        resources=parse(Resources, job["resources"], source="resources"),
    )  # fmt: skip
    store = Store(Path(job["store"]))
    config = parse(found.config, job["config"], source=job["step"])
    inputs = found.inputs(**_opened(job["inputs"], found, store))
    outputs = stage().run(config, inputs, context)
    context.check_stop()
    return _published(outputs, found, store)


def _opened(given: dict[str, Any], found: Signature, store: Store) -> dict[str, object]:
    opened: dict[str, object] = {}
    for name, value in given.items():
        kind: Any = found.takes[name].kind
        if isinstance(value, list):
            opened[name] = tuple(store.open(address, kind) for address in value)
        else:
            opened[name] = store.open(value, kind)
    return opened


def _published(outputs: object, found: Signature, store: Store) -> dict[str, list[str]]:
    published: dict[str, list[str]] = {}
    for name, port in found.gives.items():
        draft = getattr(outputs, name)
        if draft is None:
            continue
        assert isinstance(draft, Draft), f"{name}: a stage gives drafts, not {type(draft)}"
        kind: Any = port.kind
        published[name] = [kind.name, store.publish(draft, kind).digest]
    return published


def _crash(error: Exception) -> dict[str, Any]:
    trace = traceback.format_exc()
    sys.stderr.write(trace)
    return {
        "error": {
            "type": "crash", "what": f"{type(error).__name__}: {error}",
            "why": "this is a fault of tunesmith, not of your data or settings",
            "fix": "report it with the traceback in the log", "code": "internal-error",
        },
        "traceback": trace,
    }  # fmt: skip


def _os_error(error: OSError, folder: Path) -> dict[str, Any]:
    """A full disk or a read-only folder is the user's to mend; any other OS error is ours."""
    if error.errno is None or isinstance(error, (ConnectionError, FileNotFoundError)):
        return _crash(error)
    return {"error": disk_error(error, folder).as_dict()}


def _from_stdin() -> Iterator[Path]:
    """Folders from standard input; when it ends while a job runs, this process ends at once."""
    waiting: queue.Queue[str | None] = queue.Queue()
    busy = threading.Event()

    def listen() -> None:
        for line in sys.stdin:
            waiting.put(line.strip())
        waiting.put(None)
        if busy.is_set():
            os._exit(EXIT_INTERRUPTED)

    threading.Thread(target=listen, daemon=True, name="launcher watch").start()
    while (line := waiting.get()) is not None:
        busy.set()
        yield Path(line)
        busy.clear()


def _say(word: str, folder: Path) -> None:
    print(json.dumps([word, str(folder)]), file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
