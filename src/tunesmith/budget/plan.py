"""The plan of a tuning and, once it has run, what was measured beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way of tuning with what it is predicted to need."""

    method: str
    parameters: int
    trainable_parameters: int
    memory_bytes: int
    memory_lines: tuple[tuple[str, int, str], ...]
    """(name, bytes, formula) for each line of the memory plan."""
    flops: float
    seconds: float
    tokens: int
    cost: float
    currency: str
    fits: bool
    """Whether the predicted peak is within the memory that may be used."""
    reason: str
    """Why this candidate was chosen, or was not."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, as the fact ``plan`` carries them."""
        body = asdict(self)
        lines = [{"name": n, "bytes": b, "formula": f} for n, b, f in self.memory_lines]
        return {**body, "memory_lines": lines}


@dataclass(frozen=True, slots=True)
class Beside:
    """One quantity of the chosen method: predicted, measured, and how far apart."""

    quantity: str
    unit: str
    predicted: float
    measured: float
    relative_error: float
    """(predicted - measured) / measured; 0.25 means the plan asked for a quarter too much."""


_QUANTITIES = (
    ("peak memory", "bytes", "memory_bytes", "peak_bytes"),
    ("training time", "seconds", "seconds", "seconds"),
    ("tokens", "tokens", "tokens", "tokens"),
    ("trainable parameters", "parameters", "trainable_parameters", "trainable_parameters"),
)


def beside(plan: Mapping[str, Any], training: Mapping[str, Any]) -> list[Beside]:
    """Predicted beside measured: ``plan`` and ``training`` are the facts of those names.

    The cost is measured by the measured time at the plan's own price. A quantity that one side
    lacks is left out; so is everything when training used another method than the plan chose.
    """
    chosen = chosen_candidate(plan)
    if chosen is None or training.get("method") != chosen["method"]:
        return []
    rows = [
        _row(quantity, unit, chosen.get(predicted), training.get(measured))
        for quantity, unit, predicted, measured in _QUANTITIES
    ]
    if chosen.get("seconds") and chosen.get("cost") and training.get("seconds"):
        rate = chosen["cost"] / chosen["seconds"]
        rows.append(_row("cost", chosen["currency"], chosen["cost"], rate * training["seconds"]))
    return [row for row in rows if row is not None]


def chosen_candidate(plan: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The candidate that the fact ``plan`` chose; None when the plan names none of its own."""
    return next((c for c in plan["candidates"] if c["method"] == plan["chosen"]), None)


def _row(
    quantity: str, unit: str, predicted: float | None, measured: float | None
) -> Beside | None:
    if predicted is None or not measured:
        return None
    error = (predicted - measured) / measured
    return Beside(quantity, unit, float(predicted), float(measured), error)
