"""Run jobs: ``python -m tunesmith.worker FOLDER...``, or ``-`` to take folders from standard input.

A folder holds ``job.json``; the worker runs its stage in ``FOLDER/scratch``, appends
``FOLDER/events.jsonl``, publishes the outputs in the store and writes ``FOLDER/result.json``.
It never opens the ledger. With ``-`` one process serves a whole run, so that heavy packages are
imported once: each line of standard input is a folder, each line of standard output a result, both
as JSON. When standard input ends, the launcher is gone and the worker ends too.
"""

from __future__ import annotations

import errno
import json
import os
import queue
import shutil
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, Literal, NoReturn, TextIO

from tunesmith.core.artifact import Draft
from tunesmith.core.config import Resources, parse
from tunesmith.core.errors import EXIT_INTERRUPTED, RunError, TunesmithError
from tunesmith.core.events import EventWriter
from tunesmith.core.extras import missing
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
    if arguments == ["-"]:
        return _serve(*_pipes())
    status = 0
    for folder in map(Path, arguments):
        status = max(status, 1 if "error" in run_job(folder) else 0)
        if _stop.is_set():
            return EXIT_INTERRUPTED
    return status


def run_job(folder: Path) -> dict[str, Any]:
    """Run the job described by ``folder/job.json``; what is also written to ``result.json``.

    ``outputs`` {name: [kind, digest]} or ``error``, and ``seconds``.
    """
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    started = time.monotonic()
    try:
        body = _recorded(job, folder)
        body["seconds"] = time.monotonic() - started
        write_text_durably(folder / "result.json", json.dumps(body))
    except OSError as error:
        # The disk is full, or the folder read-only: not even the result's file could be written.
        body = {**_os_error(error, folder), "seconds": time.monotonic() - started}
    return body


def _recorded(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The job's outputs, or its error, with its events in ``events.jsonl``."""
    writer = EventWriter(folder / "events.jsonl")
    started = time.monotonic()
    try:
        writer.write("started", stage=job["stage"])
        body: dict[str, Any] = {"outputs": _run(job, folder, writer)}
    except TunesmithError as error:
        body = {"error": error.as_dict()}
    except (Exception, SystemExit) as error:
        body = _failed(error, folder)
    ending: Literal["failed", "finished"] = "failed" if "error" in body else "finished"
    try:
        writer.write(ending, seconds=time.monotonic() - started)
        writer.close()
    except OSError:
        if ending == "finished":
            raise
        # The stage's own error says why, and more.
    return body


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
    for name, port in found.takes.items():
        kind: Any = port.kind
        value = given.get(name)
        if port.many:
            opened[name] = tuple(store.open(address, kind) for address in value or ())
        else:
            opened[name] = None if value is None else store.open(value, kind)
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


def _no_memory(error: MemoryError) -> dict[str, Any]:
    sys.stderr.write(traceback.format_exc())
    return {"error": RunError(
        f"the step ran out of memory{f': {error}' if str(error) else ''}",
        why="it asked for more than this machine, or its limit, can give",
        fix="set resources.micro_batch or resources.generate_batch lower, or free memory",
        code="out-of-memory",
    ).as_dict()}  # fmt: skip


def _crash(error: BaseException) -> dict[str, Any]:
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


def _failed(error: BaseException, folder: Path) -> dict[str, Any]:
    """The result of a job whose stage raised something that is not a TunesmithError."""
    if isinstance(error, OSError):
        return _os_error(error, folder)
    if isinstance(error, MemoryError):
        return _no_memory(error)
    if isinstance(error, ModuleNotFoundError) and (package := missing(error)):
        sys.stderr.write(traceback.format_exc())
        return {"error": package.as_dict()}
    if os.strerror(errno.ENOSPC) in str(error):
        # Compiled libraries wrap the system's error into one of their own.
        return _os_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), folder)
    return _crash(error)


def _os_error(error: OSError, folder: Path) -> dict[str, Any]:
    """A full disk or a read-only folder is the user's to mend; any other OS error is ours."""
    if error.errno is None or isinstance(error, (ConnectionError, FileNotFoundError)):
        return _crash(error)
    return {"error": disk_error(error, folder).as_dict()}


def _pipes() -> tuple[TextIO, TextIO]:
    """The launcher's two pipes, moved out of the reach of stages and their libraries.

    From here on whatever is printed, also by C code and by child processes, goes to the log, and
    who reads standard input finds it empty. A child process does not inherit the pipes.
    """
    orders = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return orders, answers


def _serve(orders: TextIO, answers: TextIO) -> int:
    """Run each folder that comes; when ``orders`` ends while a job runs, this process ends at once."""
    waiting: queue.Queue[Path | None] = queue.Queue()
    busy, alone = threading.Event(), threading.Event()

    def listen() -> None:
        for line in orders:
            waiting.put(Path(json.loads(line)))
        alone.set()
        waiting.put(None)
        if busy.is_set():
            _end_family()

    threading.Thread(target=listen, daemon=True, name="launcher watch").start()
    while (folder := waiting.get()) is not None:
        # Set before looking: either the watch sees a busy worker, or this sees that it is alone.
        busy.set()
        if alone.is_set():
            return EXIT_INTERRUPTED
        body = run_job(folder)
        busy.clear()
        try:
            print(json.dumps(body), file=answers, flush=True)
        except BrokenPipeError:
            return EXIT_INTERRUPTED
        if _stop.is_set():
            return EXIT_INTERRUPTED
    return 0


def _end_family() -> NoReturn:
    """End this process, and what its stages started, without a goodbye."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
