"""What a stage is, and what it is given while it runs.

A stage is a class with ``name``, ``version`` and ``run(config, inputs, ctx) -> outputs``. Inputs
and outputs are frozen dataclasses whose fields are `Artifact[Kind]` (or ``Artifact[Kind] | None``,
or ``tuple[Artifact[Kind], ...]``) and `Draft[Kind]`. ``config.py`` and ``stage.py`` stay light:
the work is imported inside ``run``.
"""

from __future__ import annotations

import dataclasses
import math
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from pydantic import BaseModel

from tunesmith.core import seeds
from tunesmith.core.config import Resources
from tunesmith.core.errors import stopped
from tunesmith.core.events import EventWriter

ConfigT = TypeVar("ConfigT", bound=BaseModel, contravariant=True)
InputsT = TypeVar("InputsT", contravariant=True)
OutputsT = TypeVar("OutputsT", covariant=True)


class Measured(Protocol):
    """A number with its interval, as `tunesmith.metrics.estimate.Estimate` carries it."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def n(self) -> int: ...
    @property
    def unit(self) -> str: ...
    @property
    def scorer(self) -> str: ...


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate's verdict: what was compared, on how many rows, interval, threshold, decision, reason."""

    name: str
    passed: bool
    reason: str
    """One sentence for a person."""
    compared: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    threshold: float | None = None
    n: int = 0
    unit: str = ""
    blocking: bool = True
    """False: the verdict informs, and the pipeline goes on whatever it says."""

    @property
    def decision(self) -> str:
        """``passed`` or ``failed``."""
        return "passed" if self.passed else "failed"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, the decision as a word."""
        body = dataclasses.asdict(self)
        del body["passed"]
        return {**body, "decision": self.decision}


@dataclass(slots=True)
class Context:
    """Where a running stage writes, draws its seeds, and tells how it goes.

    ``scratch`` is empty at the start of each attempt. ``keep`` survives a killed attempt and is
    removed once the stage's result is acknowledged: checkpoints live there.
    """

    scratch: Path
    keep: Path
    events: EventWriter
    resources: Resources
    seed: int
    cache: Path
    """Shared between projects and runs: fetched packages, converted models; safe to delete."""
    project: Path = field(default_factory=Path.cwd)
    """Folder of tunesmith.yaml: relative sources are read from there."""
    stop: threading.Event = field(default_factory=threading.Event)
    _last_progress: float = 0.0
    _labels: dict[str, float] = field(default_factory=dict)

    def draft(self, name: str) -> Path:
        """A new empty folder in scratch, for one output."""
        path = self.scratch / name
        if path.exists():
            shutil.rmtree(path)
        path.mkdir(parents=True)
        return path

    def stream(self, name: str) -> int:
        """The seed of the random stream called ``name`` (see `tunesmith.core.seeds`)."""
        return seeds.derive(self.seed, name)

    def progress(self, done: int, total: int, unit: str, label: str = "", **more: object) -> None:
        """Tell how far the work is; at most ten events a second, the last one always.

        Also the place where a request to stop takes effect: call it in every long loop.
        """
        self.check_stop()
        now = time.monotonic()
        if done < total and now - self._last_progress < 0.1:
            return
        self._last_progress = now
        started = self._labels.setdefault(label, now)
        self.events.write(
            "progress",
            done=done,
            total=total,
            unit=unit,
            label=label,
            elapsed=now - started,
            **more,
        )

    def check_stop(self) -> None:
        """Raise Stopped when Ctrl-C or SIGTERM has come."""
        if self.stop.is_set():
            raise stopped()

    def metric(self, subject: str, name: str, estimate: Measured) -> None:
        """Record one number of ``subject`` (base, tuned, ...) with its interval and scorer."""
        values = (estimate.value, estimate.low, estimate.high)
        assert all(map(math.isfinite, values)), f"{subject}: {name} is {values}: not a number"
        self.events.write(
            "metric", subject=subject, name=name, value=estimate.value, low=estimate.low,
            high=estimate.high, n=estimate.n, unit=estimate.unit, scorer=estimate.scorer,
        )  # fmt: skip

    def gate(self, result: GateResult) -> None:
        """Record a gate's verdict; a failed one stops the pipeline after this stage."""
        self.events.write("gate", **result.as_dict())

    def point(self, series: str, x: float, y: float) -> None:
        """One point of a curve, such as ("train loss", step, nats a token)."""
        self.events.write("point", series=series, x=x, y=y)

    def accounting(
        self, step: str, rows_in: int, rows_out: int, dropped: Mapping[str, int]
    ) -> None:
        """Rows in = rows out + rows dropped by reason; checked here, for every step."""
        assert rows_in == rows_out + sum(dropped.values()), (
            f"{step}: {rows_in} rows in, {rows_out} out, {sum(dropped.values())} dropped"
        )
        self.events.write(
            "accounting", step=step, rows_in=rows_in, rows_out=rows_out, dropped=dict(dropped)
        )

    def fact(self, name: str, body: object) -> None:
        """One JSON value for the report, by name: a table, a plan, a picture's data."""
        self.events.write("fact", name=name, body=body)

    def note(self, text: str) -> None:
        """One sentence for the terminal and the report."""
        self.events.write("note", text=text)


class Stage(Protocol[ConfigT, InputsT, OutputsT]):
    """One step's work. Raise ``version`` when equal inputs would give different outputs."""

    name: ClassVar[str]
    version: ClassVar[int]

    def run(self, config: ConfigT, inputs: InputsT, ctx: Context) -> OutputsT:
        """Do the work; write only below ``ctx.scratch`` and ``ctx.keep``."""
        ...
