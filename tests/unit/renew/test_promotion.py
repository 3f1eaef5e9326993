"""Promoting a candidate."""

import json
from pathlib import Path
from typing import Any

from tunesmith.core.artifact import Artifact
from tunesmith.core.events import read
from tunesmith.core.stage import Context
from tunesmith.kinds import Scores as ScoresKind
from tunesmith.metrics.criterion import Criterion
from tunesmith.metrics.row_scores import means
from tunesmith.metrics.scores import ByRow, Scores, write_scores
from tunesmith.renew.config import PromoteConfig
from tunesmith.renew.stage import Promote, PromoteInputs


def saved(ctx: Context, subject: str, shift: float) -> Artifact[ScoresKind]:
    kept = means([0.3 + shift + 0.02 * (i % 5) for i in range(15)], unit="F1", scorer="r")
    folder: Path = ctx.draft(subject.replace(" ", "-"))
    by_row = {"rouge1": ByRow(tuple(map(str, range(15))), kept)}
    write_scores(folder, Scores(subject, 15, {"rouge1": kept.estimate(seed=1)}, by_row))
    return Artifact("0" * 64, folder)


def promoted(ctx: Context, shift: float, config: PromoteConfig | None = None) -> dict[str, Any]:
    inputs = PromoteInputs(current=saved(ctx, "tuned", 0.0), candidate=saved(ctx, "round 2", shift))
    outputs = Promote().run(config or PromoteConfig(), inputs, ctx)
    body: dict[str, Any] = json.loads((outputs.verdict.path / "verdict.json").read_text())
    return body


def test_a_candidate_that_does_no_harm_is_promoted(stage_context: Context) -> None:
    body = promoted(stage_context, 0.0)
    assert body["promoted"] is True
    assert body["reason"].startswith("round 2 is promoted: ")


def test_a_worse_candidate_is_refused_without_stopping_anything(stage_context: Context) -> None:
    body = promoted(stage_context, -0.1)
    assert body["promoted"] is False
    assert "worse by 0.100" in body["reason"]
    told = {e["kind"]: e for e in read(stage_context.scratch / "events.jsonl")}
    assert told["gate"]["decision"] == "failed"
    assert told["gate"]["blocking"] is False
    assert told["fact"]["name"] == "renewal"
    assert told["fact"]["body"]["promoted"] is False


def test_every_criterion_must_hold(stage_context: Context) -> None:
    rules = (
        Criterion(metric="rouge1", at_most_loss=0.02),
        Criterion(metric="rouge1", at_least_gain=0.0),
    )
    assert promoted(stage_context, 0.0, PromoteConfig(criteria=rules))["promoted"] is False
    assert promoted(stage_context, 0.1, PromoteConfig(criteria=rules))["promoted"] is True
