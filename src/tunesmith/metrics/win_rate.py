"""Win rate: how often the one is better than the other on the same row."""

from __future__ import annotations

from collections.abc import Sequence

from tunesmith.metrics.estimate import Estimate, proportion
from tunesmith.metrics.row_scores import Better


def win_rate(
    before: Sequence[float], after: Sequence[float], *, better: Better, confidence: float = 0.95
) -> Estimate:
    """Share of rows that ``after`` wins; a tie counts half. Wilson interval (too wide with ties)."""
    sign = 1.0 if better == "higher" else -1.0
    won = sum(_points(sign * (b - a)) for a, b in zip(before, after, strict=True))
    return proportion(won, len(before), confidence=confidence, scorer="win rate, ties half")


def _points(gain: float) -> float:
    return 0.5 if gain == 0 else float(gain > 0)
