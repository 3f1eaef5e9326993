"""The stage ``gate`` on scores that were written before."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.artifact import Artifact
from tunesmith.core.errors import ConfigError
from tunesmith.core.events import read
from tunesmith.core.stage import Context
from tunesmith.evaluate.config import GateConfig
from tunesmith.evaluate.stage import Gate, GateInputs
from tunesmith.kinds import Scores as ScoresKind
from tunesmith.metrics.criterion import Criterion
from tunesmith.metrics.row_scores import RowScores, means, shares
from tunesmith.metrics.scores import ByRow, Scores, write_scores

Saved = Callable[..., Artifact[ScoresKind]]


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    def save(subject: str, **by_row: RowScores) -> Artifact[ScoresKind]:
        folder = tmp_path / f"{subject}-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        kept = {
            name.replace("_", " "): ByRow(tuple(f"r{i}" for i in range(len(rows.sums))), rows)
            for name, rows in by_row.items()
        }
        metrics = {name: one.scores.estimate(seed=1) for name, one in kept.items()}
        write_scores(folder, Scores(subject, 12, metrics, kept))
        return Artifact("0" * 64, folder)

    return save


def rouge(shift: float) -> RowScores:
    return means([0.1 + shift + 0.01 * (i % 5) for i in range(12)], unit="F1", scorer="r")


def leaks(number: int) -> RowScores:
    return shares([i < number for i in range(12)], scorer="l", better="lower")


def gates(ctx: Context) -> dict[str, dict[str, Any]]:
    found = read(ctx.scratch / "events.jsonl")
    return {event["name"]: event for event in found if event["kind"] == "gate"}


def test_a_better_model_without_leaks_passes(saved: Saved, stage_context: Context) -> None:
    inputs = GateInputs(
        before=saved("base", rouge1=rouge(0)), after=saved("tuned", rouge1=rouge(0.1)),
        probes_before=saved("base", leaked_private_data=leaks(0)),
        probes_after=saved("tuned", leaked_private_data=leaks(0)),
    )  # fmt: skip
    outputs = Gate().run(GateConfig(), inputs, stage_context)
    body = json.loads((outputs.verdict.path / "verdict.json").read_text())
    assert body["passed"] is True
    assert [line["name"] for line in body["criteria"]] == [
        "rouge1 improves", "leaked private data at most 0",
    ]  # fmt: skip
    assert {line["name"] for line in body["paired"]} == {"rouge1", "leaked private data"}
    assert {e["decision"] for e in gates(stage_context).values()} == {"passed"}


def test_one_leak_fails_the_gate_and_says_why(saved: Saved, stage_context: Context) -> None:
    inputs = GateInputs(
        before=saved("base", rouge1=rouge(0)), after=saved("tuned", rouge1=rouge(0.1)),
        probes_before=saved("base", leaked_private_data=leaks(0)),
        probes_after=saved("tuned", leaked_private_data=leaks(1)),
    )  # fmt: skip
    outputs = Gate().run(GateConfig(), inputs, stage_context)
    assert json.loads((outputs.verdict.path / "verdict.json").read_text())["passed"] is False
    gate = gates(stage_context)["leaked private data at most 0"]
    assert gate["decision"] == "failed"
    assert "12 rows" in gate["reason"]


def test_probe_criteria_without_probes_are_told_and_not_passed(
    saved: Saved, stage_context: Context
) -> None:
    inputs = GateInputs(
        before=saved("base", rouge1=rouge(0)), after=saved("tuned", rouge1=rouge(0.1))
    )
    Gate().run(GateConfig(), inputs, stage_context)
    assert set(gates(stage_context)) == {"rouge1 improves"}
    notes = [e["text"] for e in read(stage_context.scratch / "events.jsonl") if e["kind"] == "note"]
    assert any("retention accuracy" in note for note in notes)


def test_a_misspelt_probe_is_refused(saved: Saved, stage_context: Context) -> None:
    inputs = GateInputs(
        before=saved("base", rouge1=rouge(0)), after=saved("tuned", rouge1=rouge(0.1))
    )
    config = GateConfig(probe_criteria=(Criterion(metric="retention acuracy", at_most_loss=0.1),))
    with pytest.raises(ConfigError) as raised:
        Gate().run(config, inputs, stage_context)
    assert raised.value.code == "criterion-metric-unknown"


def test_a_criterion_that_only_informs_does_not_fail_the_verdict(
    saved: Saved, stage_context: Context
) -> None:
    inputs = GateInputs(
        before=saved("base", rouge1=rouge(0)), after=saved("tuned", rouge1=rouge(0))
    )
    rule = Criterion(metric="rouge1", at_least_gain=0.0, blocking=False)
    outputs = Gate().run(GateConfig(criteria=(rule,)), inputs, stage_context)
    assert json.loads((outputs.verdict.path / "verdict.json").read_text())["passed"] is True
    assert gates(stage_context)["rouge1 improves"]["decision"] == "failed"
    assert gates(stage_context)["rouge1 improves"]["blocking"] is False
