"""Which of a run's models is the one to use: the last that its gates let through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith.core.config import Resources
from tunesmith.core.errors import ConfigError
from tunesmith.core.ledger import Ledger
from tunesmith.core.store import Store
from tunesmith.ports import Engine


@dataclass(frozen=True, slots=True)
class Shipped:
    """Folders of the base model and of what tuning added, and the GGUF file of just that model."""

    model: Path
    tuned: Path | None
    gguf: Path | None


def shipped(ledger: Ledger, store: Store, run: str) -> Shipped:
    """The base model with the newest adapter of the run that may be used.

    A later round counts only when every gate of ``promote`` passed or was accepted. The
    GGUF is given only when it was made from the same adapter.

    Raises:
        ConfigError: when the run has not come as far as a model.

    """
    steps = ledger.steps(run)
    model = _outputs(ledger, steps, "model")
    if not model:
        raise ConfigError(
            f"run {run} has no model yet",
            why="it ended before the base model was fetched",
            fix="tunesmith run --until train",
            code="run-without-model",
        )
    tuned = _outputs(ledger, steps, "tuned")
    if not _promoted(ledger, steps):
        tuned = [(step, digest) for step, digest in tuned if step["verb"] != "renew"]
    newest = tuned[-1][1] if tuned else None
    return Shipped(
        store.path(model[-1][1]),
        store.path(newest) if newest else None,
        _gguf(ledger, store, steps, newest),
    )


def open_shipped(parts: Shipped, engine: str, resources: Resources) -> Engine:
    """The engine called ``engine``; ``auto`` takes llama.cpp when there is a GGUF.

    Raises:
        ConfigError: when llama.cpp is asked for and the run has no GGUF of this model.

    """
    if engine == "transformers" or (engine == "auto" and parts.gguf is None):
        from tunesmith.integrations.transformers_engine import TransformersEngine

        return TransformersEngine(parts.model, parts.tuned, resources=resources)
    if parts.gguf is None:
        raise ConfigError(
            "the run has no GGUF of this model",
            why="llama.cpp reads GGUF only, and the newest adapter was not compressed",
            fix="tunesmith run --until compress, or --engine transformers",
            code="run-without-gguf",
        )
    from tunesmith.integrations.llama_cpp import LlamaCppEngine

    return LlamaCppEngine(parts.gguf, resources=resources)


def _outputs(
    ledger: Ledger, steps: list[dict[str, Any]], kind: str
) -> list[tuple[Mapping[str, Any], str]]:
    """(step, digest) of every output of a kind, in the order of the run."""
    found: list[tuple[Mapping[str, Any], str]] = []
    for step in steps:
        result = ledger.result(step["key"]) if step["key"] else None
        for name, digest in (result.outputs if result else {}).values():
            if name == kind:
                found.append((step, digest))
    return found


def _promoted(ledger: Ledger, steps: list[dict[str, Any]]) -> bool:
    """Whether a later round ran and no criterion of its promotion spoke against it."""
    promotions = [
        s for s in steps if s["stage"] == "promote" and s["key"] and ledger.result(s["key"])
    ]
    for step in promotions:
        accepted = ledger.acceptances(step["key"])
        for gate in ledger.gates(step["key"]):
            if gate["decision"] != "passed" and gate["name"] not in accepted:
                return False
    return bool(promotions)


def _gguf(
    ledger: Ledger, store: Store, steps: list[dict[str, Any]], tuned: str | None
) -> Path | None:
    for step, digest in reversed(_outputs(ledger, steps, "compressed")):
        made_from = {row["digest"] for row in ledger.input_digests(step["key"])}
        files = sorted(store.path(digest).rglob("*.gguf"))
        if files and (tuned is None or tuned in made_from):
            return files[0]
    return None
