"""What a metric keeps of each row, so that any set of rows, and any pair of runs, can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast

import numpy as np

from tunesmith.core.table import resolve
from tunesmith.metrics.estimate import (
    Estimate,
    Floats,
    OfSums,
    bootstrap,
    paired_shares,
    proportion,
    ratio,
)

Better = Literal["higher", "lower"]

STATISTICS: Final = {
    "share": "tunesmith.metrics.estimate:ratio",
    "ratio": "tunesmith.metrics.estimate:ratio",
    "perplexity": "tunesmith.metrics.perplexity:of_sums",
    "bleu": "tunesmith.metrics.bleu:bleu_of_sums",
    "chrf": "tunesmith.metrics.bleu:chrf_of_sums",
}
"""How sums over rows become the metric. ``share``: each row is 0 or 1, over 1."""

_WITHIN_0_TO_1: Final = frozenset(("share", "F1"))
"""Units whose rows cannot lie outside of 0 and 1."""


@dataclass(frozen=True, slots=True)
class RowScores:
    """Sums of one metric, a line for each row, and how their total is read."""

    statistic: str
    """A key of `STATISTICS`."""
    sums: Floats
    """Shape (N, K): a line for each row, K as the statistic needs."""
    unit: str
    scorer: str
    better: Better = "higher"

    def estimate(self, *, seed: int, resamples: int = 1000, confidence: float = 0.95) -> Estimate:
        """The metric over all rows: Wilson for shares, percentile bootstrap for the rest."""
        if self.statistic == "share":
            total = float(self.sums[:, 0].sum())
            return proportion(
                total, len(self.sums), confidence=confidence, unit=self.unit, scorer=self.scorer
            )
        equal = _without_spread(self, confidence) if len(self.sums) else None
        return equal or bootstrap(
            self.sums, self.of_sums, seed=seed, resamples=resamples, confidence=confidence,
            unit=self.unit, scorer=self.scorer,
        )  # fmt: skip

    def by_row(self) -> list[float]:
        """The metric of each row alone."""
        return [float(value) for value in self.of_sums(self.sums)]

    def of_sums(self, sums_RK: Floats) -> Floats:
        """The metric of each line of sums, shape (R,)."""
        return cast(OfSums, resolve(STATISTICS[self.statistic]))(sums_RK)

    def take(self, rows: Sequence[int]) -> RowScores:
        """The same metric for some rows, in the order given."""
        taken = self.sums[np.asarray(rows, dtype=np.int64)]
        return RowScores(self.statistic, taken, self.unit, self.scorer, self.better)


def shares(values: Sequence[bool], *, scorer: str, better: Better = "higher") -> RowScores:
    """One yes or no for each row."""
    sums = np.column_stack([np.asarray(values, dtype=np.float64), np.ones(len(values))])
    return RowScores("share", sums, "share", scorer, better)


def means(
    values: Sequence[float], *, unit: str, scorer: str, better: Better = "higher"
) -> RowScores:
    """One value for each row; the metric is their mean."""
    sums = np.column_stack([np.asarray(values, dtype=np.float64), np.ones(len(values))])
    return RowScores("ratio", sums, unit, scorer, better)


def difference(
    before: RowScores,
    after: RowScores,
    *,
    seed: int,
    resamples: int = 1000,
    confidence: float = 0.95,
    relative: bool = False,
) -> Estimate:
    """The metric after minus before, of the same rows in the same order.

    Both are resampled together, so what a row is easy or hard by cancels. ``relative`` divides
    by the value before (0 where that is 0).
    """
    assert before.statistic == after.statistic, "two different metrics cannot be subtracted"
    if before.statistic == "share" and not relative:
        return paired_shares(
            before.by_row(), after.by_row(), confidence=confidence,
            unit=after.unit, scorer=after.scorer,
        )  # fmt: skip
    width = before.sums.shape[1]

    def change(sums_RK: Floats) -> Floats:
        old_R, new_R = before.of_sums(sums_RK[:, :width]), after.of_sums(sums_RK[:, width:])
        if not relative:
            return new_R - old_R
        return ratio(np.column_stack([new_R - old_R, np.abs(old_R)]))

    return bootstrap(
        np.column_stack([before.sums, after.sums]), change, seed=seed, resamples=resamples,
        confidence=confidence, unit="relative" if relative else after.unit, scorer=after.scorer,
    )  # fmt: skip


def _without_spread(scores: RowScores, confidence: float) -> Estimate | None:
    """The estimate of rows that are all equal and within [0, 1]; None for other rows.

    A bootstrap has nothing to resample there and would claim a certainty that it does not have.
    Rows that hold nothing to count (0 of 0) are no trials.
    """
    tops_N, bottoms_N = scores.sums[:, 0], scores.sums[:, 1]
    counted_N = bottoms_N > 0
    values = tops_N[counted_N] / bottoms_N[counted_N]
    if scores.unit not in _WITHIN_0_TO_1 or not np.all(values == values[:1]):
        return None
    if len(values) == 0:
        return Estimate(0.0, 0.0, 1.0, len(scores.sums), scores.unit, scores.scorer)
    return proportion(
        float(values.sum()), len(values), confidence=confidence, unit=scores.unit,
        scorer=scores.scorer,
    )  # fmt: skip
