"""The rule that turns a baseline into a verdict."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tunesmith.core.artifact import Artifact
from tunesmith.core.errors import ConfigError
from tunesmith.core.events import read
from tunesmith.core.stage import Context
from tunesmith.metrics.perplexity import perplexity
from tunesmith.metrics.row_scores import RowScores, means
from tunesmith.metrics.scores import ByRow, Scores, write_scores
from tunesmith.plan.config import PlanConfig
from tunesmith.plan.need import decide_need
from tunesmith.plan.stage import Plan, PlanInputs


def baseline(
    zero: Sequence[float],
    three: Sequence[float] | None = None,
    *,
    bits: float = 1.0,
    size: int = 100,
) -> Scores:
    n = len(zero)
    kept = {
        "rouge1": means(zero, unit="F1", scorer="r"),
        "bits_per_byte": RowScores(
            "ratio", np.tile([bits * size, float(size)], (n, 1)), "bits/byte", "b", "lower"
        ),
        "perplexity": perplexity([1.0] * n, [1] * n),
    }
    if three is not None:
        kept["rouge1 3-shot"] = means(three, unit="F1", scorer="r")
    by_row = {name: ByRow(tuple(map(str, range(n))), rows) for name, rows in kept.items()}
    metrics = {name: one.scores.estimate(seed=1, resamples=200) for name, one in by_row.items()}
    return Scores("base", n, metrics, by_row)


def around(value: float, n: int = 20, width: float = 0.05) -> list[float]:
    return [value + width * (i % 3 - 1) for i in range(n)]


@pytest.mark.parametrize(
    ("scores", "verdict"),
    [
        (baseline(around(0.1)), "tune"),
        (baseline(around(0.9)), "prompt only"),
        (baseline(around(0.1), around(0.9)), "prompt only"),
        (baseline(around(0.6, width=0.3)), "tune"),
        (baseline(around(0.65, width=0.3)), "tune"),
        (baseline(around(0.1), bits=3.0), "tune is not enough"),
        (baseline(around(0.1), bits=3.0, size=3), "tune"),
        (baseline(around(0.9), bits=3.0), "prompt only"),
        (baseline(around(0.1, n=9)), "undecided"),
        (baseline(around(0.9, n=9)), "undecided"),
    ],
)
def test_the_rule_gives_the_verdict(scores: Scores, verdict: str) -> None:
    need = decide_need(PlanConfig(), scores)
    assert need.verdict == verdict, need.reason


def test_the_best_prompt_stands_for_prompting_and_all_are_told() -> None:
    need = decide_need(PlanConfig(), baseline(around(0.1), around(0.2)))
    assert need.metric == "rouge1 3-shot"
    assert set(need.tried) == {"rouge1", "rouge1 3-shot"}


def test_an_interval_around_the_target_is_told() -> None:
    assert (
        "more rows would tell" in decide_need(PlanConfig(), baseline(around(0.6, width=0.3))).reason
    )


def test_a_lower_target_can_be_reached() -> None:
    scores = baseline(around(0.3))
    assert decide_need(PlanConfig(target=0.2), scores).verdict == "prompt only"
    assert decide_need(PlanConfig(), scores).verdict == "tune"


@pytest.mark.parametrize("metric", ["rouge_1", "perplexity"])
def test_a_metric_that_cannot_serve_is_refused(metric: str) -> None:
    with pytest.raises(ConfigError) as raised:
        decide_need(PlanConfig(metric=metric), baseline(around(0.1)))
    assert raised.value.code == "criterion-metric-unknown"


def test_the_stage_writes_and_tells_the_verdict(stage_context: Context) -> None:
    folder = stage_context.draft("baseline")
    write_scores(folder, baseline(around(0.1), around(0.2)))
    outputs = Plan().run(PlanConfig(), PlanInputs(Artifact("0" * 64, folder)), stage_context)
    body = json.loads((outputs.verdict.path / "verdict.json").read_text())
    assert body["verdict"] == "tune"
    told: dict[str, Any] = {e["kind"]: e for e in read(stage_context.scratch / "events.jsonl")}
    assert told["gate"]["name"] == "tuning needed"
    assert told["gate"]["decision"] == "passed"
    assert told["gate"]["blocking"] is False
    assert told["fact"]["body"]["tried"]["rouge1 3-shot"]["n"] == 20
