"""The work of the stage ``probe``: retention, invented details and leakage, with one engine.

Every rate is over few rows and says so by its interval; gates fail on evidence of harm only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from tunesmith.core.stage import Context
from tunesmith.evaluate.answers import chosen
from tunesmith.evaluate.config import ProbeConfig
from tunesmith.evaluate.invention import invented_details
from tunesmith.evaluate.leakage import extraction, membership_of, private_data
from tunesmith.evaluate.probed import Probed
from tunesmith.evaluate.retention import retention
from tunesmith.metrics.estimate import Estimate
from tunesmith.metrics.row_scores import RowScores
from tunesmith.metrics.scores import Scores, write_scores
from tunesmith.ports import Engine
from tunesmith.records.conversation import Conversation
from tunesmith.records.rows import write_table

_SCHEMA = pa.schema(
    [
        (name, pa.string())
        for name in ("probe", "id", "source", "prompt", "expected", "answer", "found")
    ]
)


@dataclass(frozen=True, slots=True)
class ProbeRows:
    """Rows that the probes draw from."""

    general: tuple[Conversation, ...]
    trained: tuple[Conversation, ...]
    held_out: tuple[Conversation, ...]


def probe(
    engine: Engine, config: ProbeConfig, *, rows: ProbeRows, folder: Path, ctx: Context
) -> Scores:
    """Run every configured probe, write the Scores artefact into ``folder``, tell the events."""
    by_row = retention(engine, rows.general, config, ctx)
    asked = chosen(rows.held_out or rows.general, config.asked_rows)
    details, invented = invented_details(engine, asked, config, ctx)
    leaks, extracted = extraction(engine, rows.trained, config, ctx)
    by_row |= details | leaks | private_data([*invented, *extracted], rows.trained)
    estimates = {name: _estimate(kept.scores, config, ctx) for name, kept in by_row.items()}
    estimates |= membership_of(engine, rows.trained, rows.held_out, config, ctx)
    for name, estimate in estimates.items():
        ctx.metric(config.subject, name, estimate)
    scores = Scores(
        config.subject,
        max((len(kept.ids) for kept in by_row.values()), default=0),
        estimates,
        by_row,
        _settings(config),
    )
    write_scores(folder, scores)
    _write_answers(folder, [*invented, *extracted])
    return scores


def _estimate(scores: RowScores, config: ProbeConfig, ctx: Context) -> Estimate:
    return scores.estimate(
        seed=ctx.stream("bootstrap"), resamples=config.resamples, confidence=config.confidence
    )


def _settings(config: ProbeConfig) -> dict[str, Any]:
    settings: Mapping[str, Any] = config.as_dict()
    return {name: value for name, value in settings.items() if name != "subject"}


def _write_answers(folder: Path, probed: Sequence[Probed]) -> None:
    lines = (
        {
            "probe": one.probe,
            "id": one.row.id,
            "source": one.row.source,
            "prompt": one.prompt,
            "expected": one.expected,
            "answer": one.answer,
            "found": one.found,
        }
        for one in probed
    )
    write_table(folder / "answers.parquet", lines, _SCHEMA)
