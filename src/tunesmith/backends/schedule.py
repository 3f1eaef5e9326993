"""What a run is asked to do, and which of its results the ledger already holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunesmith.core.config import Resources
from tunesmith.core.graph import Pipeline, Step, step_key
from tunesmith.core.ledger import Ledger, Result
from tunesmith.core.store import Store

OnEvent = Callable[[str, Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a project keeps its things."""

    project: Path
    cache: Path

    @property
    def home(self) -> Path:
        """The project's ``.tunesmith`` folder."""
        return self.project / ".tunesmith"

    @property
    def ledger(self) -> Path:
        """The ledger's file."""
        return self.home / "ledger.sqlite"

    @property
    def lock(self) -> Path:
        """The file whose ``flock`` says who runs."""
        return self.home / "lock"

    @property
    def worker_lock(self) -> Path:
        """The file whose ``flock`` says that a worker may still write."""
        return self.home / "worker.lock"

    def run_folder(self, run: str) -> Path:
        """Folder of one run's files: run.yaml, report.html, report.json, worker.log."""
        return self.home / "runs" / run

    def store(self) -> Store:
        """The project's artefacts."""
        return Store(self.home / "store")


@dataclass(frozen=True, slots=True)
class Order:
    """What one run is asked to do."""

    run: str
    pipeline: Pipeline
    resources: Resources
    wanted: frozenset[str]
    """Steps to have results for; their needs are in the set too."""
    afresh: frozenset[str] = frozenset()
    """Steps to run again although their results are there."""
    accept: Mapping[str, str] = field(default_factory=dict)
    """Failed gates that a person lets pass, with the reason."""


def resolve_key(pipeline: Pipeline, step: Step, outputs: Mapping[str, Result]) -> str | None:
    """The step's key, or None while one of its inputs has no result."""
    digests = input_digests(step, outputs)
    if digests is None:
        return None
    return step_key(step, pipeline.signatures[step.name].stage, pipeline.seed, digests)


def input_digests(
    step: Step, outputs: Mapping[str, Result]
) -> dict[str, str | tuple[str, ...]] | None:
    """Digest of each input of a step, or None while one of them is not known."""
    found: dict[str, str | tuple[str, ...]] = {}
    for name, value in step.inputs.items():
        many = (value,) if isinstance(value, str) else value
        digests = []
        for source in many:
            origin, _, output = source.partition(".")
            if origin not in outputs:
                return None
            if output in outputs[origin].outputs:
                digests.append(outputs[origin].outputs[output][1])
        if digests:
            found[name] = digests[0] if isinstance(value, str) else tuple(digests)
    return found


def reusable(ledger: Ledger, store: Store, key: str) -> Result | None:
    """The acknowledged result of a key, if every artefact of it is still whole in the store."""
    result = ledger.result(key)
    if result and all(store.has(digest) for _, digest in result.outputs.values()):
        return result
    return None


def preview(order: Order, ledger: Ledger | None, store: Store) -> list[dict[str, Any]]:
    """What a run would do, without doing it: {step, stage, verb, key, status} for each wanted step.

    ``status`` is ``reuse``, ``run``, or ``run`` with key None when the key depends on a result that
    is not there yet.
    """
    known: dict[str, Result] = {}
    rows = []
    for step in order.pipeline.steps:
        if step.name not in order.wanted:
            continue
        key = resolve_key(order.pipeline, step, known)
        result = reusable(ledger, store, key) if ledger and key else None
        if result and step.name not in order.afresh:
            known[step.name] = result
        rows.append({
            "step": step.name, "stage": step.stage, "verb": step.verb or step.stage, "key": key,
            "status": "reuse" if step.name in known else "run",
        })  # fmt: skip
    return rows
