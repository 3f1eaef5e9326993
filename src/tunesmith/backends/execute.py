"""Run the wanted steps of a pipeline in order, acknowledging each result in the ledger."""

from __future__ import annotations

import json
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from tunesmith.backends.local import Worker
from tunesmith.backends.schedule import (
    OnEvent,
    Order,
    Place,
    input_digests,
    resolve_key,
    reusable,
)
from tunesmith.core.errors import (
    EXIT_OUR_FAULT,
    GateFailed,
    RunError,
    Stopped,
    StoreError,
    TunesmithError,
    from_dict,
    stopped,
)
from tunesmith.core.events import EventReader
from tunesmith.core.graph import Step
from tunesmith.core.ledger import Ledger, Record, Result
from tunesmith.core.lock import worker_lock
from tunesmith.core.store import disk_error, write_text_durably

_POLL_SECONDS = 0.1
_LEDGER_SECONDS = 1.0
_STOP_SECONDS = 30.0
_ATTEMPT_KEPT_SECONDS = 30 * 24 * 3600.0
"""An interrupted training can be gone on with for a month, whatever ran in between."""
"""A job asked to stop may finish its checkpoint; afterwards it is killed, which loses no result."""


class Execution:
    """One order at work. Hold the project's lock while calling `run`."""

    def __init__(self, order: Order, place: Place, ledger: Ledger, on_event: OnEvent) -> None:
        self._order = order
        self._place = place
        self._ledger = ledger
        self._tell = on_event
        self._store = place.store()
        self._log = place.run_folder(order.run) / "worker.log"
        self._stops = 0
        self._stop_passed_on: float | None = None

    def run(self) -> dict[str, Result]:
        """Results of the wanted steps, by name.

        Raises:
            TunesmithError: GateFailed, Stopped, RunError or what the stage said; whatever was done
                before is acknowledged.

        """
        done: dict[str, Result] = {}
        with self._signals(), worker_lock(self._place.worker_lock) as hold:
            self._store.sweep()
            self._sweep_work()
            self._worker = Worker(self._log, hold)
            try:
                for position, step in enumerate(self._order.pipeline.steps):
                    if step.name in self._order.wanted:
                        done[step.name] = self._step(position, step, done)
            finally:
                self._worker.close()
        return done

    def _sweep_work(self) -> None:
        """Remove folders of attempts that nobody went on with: other settings took their place."""
        limit = time.time() - _ATTEMPT_KEPT_SECONDS
        for folder in (self._place.home / "work").glob("*"):
            if folder.stat().st_mtime < limit:
                shutil.rmtree(folder, ignore_errors=True)

    def _step(self, position: int, step: Step, done: Mapping[str, Result]) -> Result:
        key = resolve_key(self._order.pipeline, step, done)
        inputs = input_digests(step, done)
        assert key is not None, f"{step.name}: its needs run before it"
        assert inputs is not None, f"{step.name}: its needs run before it"
        again = step.name in self._order.afresh
        result = None if again else reusable(self._ledger, self._store, key)
        if result is not None:
            # A launcher that was killed after acknowledging may have left its folder.
            shutil.rmtree(self._folder(key), ignore_errors=True)
            self._mark(position, step, key, "reused", seconds=result.seconds)
        else:
            result = self._work(position, step, key, inputs)
        self._judge(step, key)
        return result

    def _work(
        self, position: int, step: Step, key: str, inputs: Mapping[str, str | tuple[str, ...]]
    ) -> Result:
        if self._stops:
            raise stopped()
        started = time.monotonic()
        self._mark(position, step, key, "running", started=time.time())
        try:
            body = self._left_behind(key)
            if body is None:
                body = self._attempt(self._write_job(step, key, inputs), key, step.name)
            if "error" in body:
                raise self._error(body)
            result = self._acknowledge(step, key, inputs, body)
        except TunesmithError as error:
            # When the ledger cannot take it either, the first error is the one to show.
            with suppress(StoreError):
                status = "stopped" if isinstance(error, Stopped) else "failed"
                self._mark(position, step, key, status, seconds=time.monotonic() - started,
                           error=json.dumps(error.as_dict()))  # fmt: skip
            raise
        shutil.rmtree(self._folder(key), ignore_errors=True)
        self._mark(position, step, key, "done", seconds=result.seconds)
        return result

    def _folder(self, key: str) -> Path:
        return self._place.home / "work" / key[:24]

    def _left_behind(self, key: str) -> dict[str, Any] | None:
        """The result of a job that ended just before its launcher died, if it is whole."""
        folder = self._folder(key)
        try:
            body: dict[str, Any] = json.loads((folder / "result.json").read_bytes())
        except (OSError, ValueError):
            return None
        digests = [digest for _, digest in body.get("outputs", {}).values()]
        if not digests or not all(map(self._store.has, digests)):
            return None
        # The dead launcher may not have read the last events, and a gate may be among them.
        self._ledger.forget_events(key)
        self._ledger.add_events(key, EventReader(folder / "events.jsonl").new())
        return body

    def _write_job(self, step: Step, key: str, inputs: Mapping[str, str | tuple[str, ...]]) -> Path:
        folder = self._folder(key)
        job = {
            "step": step.name, "stage": step.stage, "config": step.config.model_dump(mode="json"),
            "inputs": {n: v if isinstance(v, str) else list(v) for n, v in inputs.items()},
            "seed": self._order.pipeline.seed, "resources": self._order.resources.model_dump(),
            "store": str(self._store.root), "cache": str(self._place.cache),
            "project": str(self._place.project),
        }  # fmt: skip
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "result.json").unlink(missing_ok=True)
            write_text_durably(folder / "job.json", json.dumps(job, indent=1))
        except OSError as error:
            raise disk_error(error, folder) from error
        return folder

    def _attempt(self, folder: Path, key: str, name: str) -> dict[str, Any]:
        """Run the job to its end, passing its events on while it runs."""
        reader = EventReader(folder / "events.jsonl")
        # What an earlier attempt said belongs to the result (its checkpoints do), but is not news.
        unsaved = list(reader.new())
        self._ledger.forget_events(key)
        body, peak, saved = None, 0, time.monotonic()
        try:
            self._worker.send(folder)
            while body is None:
                body = self._worker.answer(_POLL_SECONDS)
                self._pass_on_stop()
                memory = self._worker.memory_bytes()
                peak = max(peak, memory)
                for event in reader.new():
                    unsaved.append(event)
                    self._tell(name, {"memory_bytes": memory, **event})
                if time.monotonic() - saved > _LEDGER_SECONDS:
                    self._ledger.add_events(key, unsaved)
                    unsaved, saved = [], time.monotonic()
        except RunError:
            # A worker that was asked to stop while it started, or was killed for it, just dies.
            if self._stops:
                raise stopped() from None
            raise
        finally:
            self._ledger.add_events(key, [*unsaved, *reader.new()])
        return {**body, "peak_bytes": peak}

    def _acknowledge(
        self,
        step: Step,
        key: str,
        inputs: Mapping[str, str | tuple[str, ...]],
        body: Mapping[str, Any],
    ) -> Result:
        stage: Any = self._order.pipeline.signatures[step.name].stage
        outputs = {name: (kind, digest) for name, (kind, digest) in body["outputs"].items()}
        self._ledger.acknowledge(Record(
            key, stage.name, stage.version, step.config.model_dump(mode="json"),
            self._order.pipeline.seed, body["seconds"], body.get("peak_bytes", 0), inputs, outputs,
        ))  # fmt: skip
        result = self._ledger.result(key)
        assert result is not None, "an acknowledged result can be read back"
        return result

    def _judge(self, step: Step, key: str) -> None:
        """Stop the pipeline at a failed gate that nobody has accepted."""
        accepted = self._ledger.acceptances(key)
        failed = [gate for gate in self._ledger.gates(key)
                  if gate["decision"] == "failed" and gate["blocking"]]  # fmt: skip
        for gate in failed:
            because = self._order.accept.get(gate["name"]) or self._order.accept.get(step.name)
            if because:
                self._ledger.accept(self._order.run, key, gate["name"], because)
                accepted[gate["name"]] = because
        refused = [gate for gate in failed if gate["name"] not in accepted]
        if refused:
            names = ", ".join(gate["name"] for gate in refused)
            raise GateFailed(
                f"{step.name}: gate failed: {names}",
                why="; ".join(gate["reason"] for gate in refused),
                fix="change what the reason names and run again, or let it pass on the record: "
                f"--accept {refused[0]['name']!r} --because 'the reason'",
                code="gate-failed",
            )

    def _error(self, body: Mapping[str, Any]) -> TunesmithError:
        error = body["error"]
        if error.get("type") == "crash":
            fix = f"report it with the traceback in {self._log}"
            crash = RunError(error["what"], why=error["why"], fix=fix, code=error["code"])
            crash.exit_code = EXIT_OUR_FAULT
            return crash
        return from_dict(error)

    def _mark(self, position: int, step: Step, key: str, status: str, **values: object) -> None:
        if status == "reused":
            values["started"] = time.time()
        self._ledger.set_step(
            self._order.run, position, step.name, stage=step.stage, verb=step.verb or step.stage,
            key=key, status=status, **values,
        )  # fmt: skip
        told: dict[str, Any] = {"kind": "step", "status": status, "stage": step.stage,
                                "verb": step.verb or step.stage, "seconds": values.get("seconds")}  # fmt: skip
        if status in {"done", "reused"}:
            result = self._ledger.result(key)
            told["outputs"] = dict(result.outputs) if result else {}
            told["metrics"] = self._ledger.metrics(key)
            told["gates"] = self._ledger.gates(key)
        self._tell(step.name, told)

    def _pass_on_stop(self) -> None:
        """Send a request to stop on as SIGTERM; a second one, or 30 s, ends the worker at once."""
        if self._stops and self._stop_passed_on is None:
            self._stop_passed_on = time.monotonic()
            self._worker.stop()
        asked = self._stop_passed_on
        if self._stops > 1 or (asked and time.monotonic() - asked > _STOP_SECONDS):
            self._worker.kill()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Count Ctrl-C and SIGTERM instead of dying from them; only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def count(_signal: int, _frame: FrameType | None) -> None:
            self._stops += 1

        before = {
            number: signal.signal(number, count) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
