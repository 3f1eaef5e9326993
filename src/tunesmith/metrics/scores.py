"""The Scores artefact: ``scores.json`` for people, ``statistics.parquet`` to compare runs with.

``statistics.parquet`` has a line for each metric and row: metric, id, and the sums that
`tunesmith.metrics.row_scores` resamples. A comparison thus needs no model and no text.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tunesmith.core.digest import of_value
from tunesmith.core.errors import DataError
from tunesmith.metrics.estimate import Estimate, from_dict
from tunesmith.metrics.row_scores import RowScores

FORMAT: Final = 1
"""Raised when the layout changes; every older layout keeps a reader."""

_SCHEMA = pa.schema(
    [("metric", pa.string()), ("id", pa.string()), ("sums", pa.list_(pa.float64()))]
)


@dataclass(frozen=True, slots=True)
class ByRow:
    """One metric's sums, and the id of the row that each line belongs to."""

    ids: tuple[str, ...]
    scores: RowScores


@dataclass(frozen=True, slots=True)
class Scores:
    """Everything that one evaluation or probe measured of one subject."""

    subject: str
    rows: int
    metrics: dict[str, Estimate]
    """By name; a number of examples in the prompt is part of it: ``rouge1 3-shot``."""
    by_row: dict[str, ByRow] = field(default_factory=dict)
    """Metrics that can be compared row by row; a subset of ``metrics``."""
    settings: dict[str, Any] = field(default_factory=dict)
    """What the numbers depend on besides the model: language, limits, examples."""

    @property
    def signature(self) -> str:
        """16 hex digits of settings and scorers; equal signatures were scored the same way."""
        scorers = {name: estimate.scorer for name, estimate in self.metrics.items()}
        return of_value({"settings": self.settings, "scorers": scorers})[:16]


def shot_name(metric: str, shots: int) -> str:
    """Name of a metric in `Scores.metrics`: plain without examples, ``rouge1 3-shot`` with three."""
    return metric if shots == 0 else f"{metric} {shots}-shot"


def write_scores(folder: Path, scores: Scores) -> None:
    """Write both files into ``folder``, which exists."""
    body = {
        "format": FORMAT,
        "subject": scores.subject,
        "rows": scores.rows,
        "metrics": {name: estimate.as_dict() for name, estimate in scores.metrics.items()},
        "statistics": {
            name: {"statistic": kept.scores.statistic, "better": kept.scores.better}
            for name, kept in scores.by_row.items()
        },
        "settings": scores.settings,
        "signature": scores.signature,
    }
    text = json.dumps(body, ensure_ascii=False, indent=1, allow_nan=False)
    (folder / "scores.json").write_text(text + "\n", encoding="utf-8")
    lines = [
        {"metric": name, "id": row_id, "sums": sums}
        for name, kept in scores.by_row.items()
        for row_id, sums in zip(kept.ids, kept.scores.sums.tolist(), strict=True)
    ]
    pq.write_table(pa.Table.from_pylist(lines, schema=_SCHEMA), folder / "statistics.parquet")


def read_scores(folder: Path) -> Scores:
    """The scores that `write_scores` wrote.

    Raises:
        DataError: when the file is of a newer format than this version knows.

    """
    body = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    if body["format"] > FORMAT:
        raise DataError(
            f"{folder / 'scores.json'} has format {body['format']}; this version reads {FORMAT}",
            why="it was written by a newer tunesmith",
            fix="upgrade: pip install -U tunesmith",
            code="scores-format",
        )
    metrics = {name: from_dict(estimate) for name, estimate in body["metrics"].items()}
    return Scores(
        subject=body["subject"],
        rows=body["rows"],
        metrics=metrics,
        by_row=_read_by_row(folder / "statistics.parquet", body["statistics"], metrics),
        settings=body["settings"],
    )


def merged(scores: Scores, probes: Scores) -> Scores:
    """An evaluation together with a probe of the same subject, under the evaluation's name."""
    return dataclasses.replace(
        scores,
        metrics={**scores.metrics, **probes.metrics},
        by_row={**scores.by_row, **probes.by_row},
    )


def _read_by_row(
    path: Path, statistics: Mapping[str, Mapping[str, Any]], metrics: Mapping[str, Estimate]
) -> dict[str, ByRow]:
    ids: dict[str, list[str]] = {name: [] for name in statistics}
    sums: dict[str, list[list[float]]] = {name: [] for name in statistics}
    for line in pq.read_table(path).to_pylist():
        ids[line["metric"]].append(line["id"])
        sums[line["metric"]].append(line["sums"])
    return {
        name: ByRow(
            tuple(ids[name]),
            RowScores(
                kept["statistic"],
                np.asarray(sums[name], dtype=np.float64),
                metrics[name].unit,
                metrics[name].scorer,
                kept["better"],
            ),
        )
        for name, kept in statistics.items()
    }
