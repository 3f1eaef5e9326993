from __future__ import annotations

from typing import Any

import pytest

from tunesmith.report import story
from tunesmith.report.card import model_card
from tunesmith.report.data import empty


def pair(low: float, high: float, **more: Any) -> dict[str, Any]:
    return {
        "name": "rouge1",
        "before": 0.1,
        "after": 0.2,
        "difference": 0.1,
        "low": low,
        "high": high,
        "n": 25,
        **more,
    }


def told(**parts: Any) -> dict[str, Any]:
    return {**empty(), "run": {"id": "1", "status": "done", "started": 0.0}, **parts}


@pytest.mark.parametrize(
    ("low", "high", "verb"),
    [(0.05, 0.15, "lifted"), (-0.2, -0.1, "lowered"), (-0.1, 0.3, "did not clearly move")],
)
def test_the_headline_claims_only_what_the_interval_shows(
    low: float, high: float, verb: str
) -> None:
    assert story.headline(told(paired=[pair(low, high)])).startswith(f"Tuning {verb} ROUGE-1")


def test_a_lower_perplexity_is_a_gain() -> None:
    [sentence] = story.sentences(told(paired=[pair(-3.0, -1.0, name="perplexity", better="lower")]))
    assert "so the gain is not chance" in sentence


def test_an_interval_around_zero_asks_for_more_rows() -> None:
    [sentence] = story.sentences(told(paired=[pair(-0.1, 0.3)]))
    assert "more rows are needed" in sentence


def test_undecided_gates_are_not_counted_as_passed() -> None:
    gates = [
        {"name": n, "decision": d}
        for n, d in (("a", "passed"), ("b", "undecided"), ("c", "failed"))
    ]
    assert story.tally(told(gates=gates)) == (1, 2)
    assert story.headline(told(gates=gates)) == "1 of 2 gates passed, “c” did not."


def test_a_run_without_numbers_says_how_far_it_came() -> None:
    assert (
        story.headline(told(stages=[{"status": "done"}, {"status": "waiting"}]))
        == "1 of 2 steps are done."
    )


@pytest.mark.parametrize(
    ("status", "words"),
    [("stopped", "The run was stopped at train and can go on from there."),
     ("killed", "The run was killed at train and can go on from there."),
     ("failed", "The run failed at train: the disk is full.")],
)  # fmt: skip
def test_a_run_that_did_not_reach_its_end_says_where_and_why(status: str, words: str) -> None:
    begun = told(stages=[{"name": "train", "status": "failed"}])
    begun["run"] |= {"status": status, "error": {"what": "the disk is full"}}
    assert story.headline(begun) == words


def test_a_failed_gate_is_told_with_the_gates_only() -> None:
    begun = told(gates=[{"name": "improvement", "decision": "failed"}])
    begun["run"] |= {"status": "gate failed", "error": {"what": "gate: gate failed: improvement"}}
    assert story.headline(begun) == "0 of 1 gates passed, “improvement” did not."


def test_rows_out_of_a_stage_whose_steps_branch_are_those_not_dropped() -> None:
    def step(name: str, rows_in: int, **dropped: int) -> dict[str, Any]:
        lost = sum(dropped.values())
        return {
            "stage": "prepare",
            "step": name,
            "rows_in": rows_in,
            "rows_out": rows_in - lost,
            "dropped": dropped,
        }

    steps = [
        step("length", 100, short=4),
        step("leak (train)", 70, copied=1),
        step("leak (valid)", 26),
    ]
    assert story.step_words(told(accounting=steps), "prepare") == "100 rows in, 95 out"


def test_the_sentences_tell_every_phase_once(report: dict[str, Any]) -> None:
    text = " ".join(story.sentences(report))
    for word in (
        "interval",
        "verdict",
        "rows were fit",
        "LoRA",
        "tokens/s",
        "138 MiB",
        "first token",
        "promoted",
    ):
        assert word in text
    assert all(sentence.endswith(".") for sentence in story.sentences(report))


def test_each_step_has_its_own_words(report: dict[str, Any]) -> None:
    words = {stage["name"]: story.step_words(report, stage["name"]) for stage in report["stages"]}
    assert words["prepare"] == "100 rows in, 90 out"
    assert words["baseline"].startswith("ROUGE-1 0.080")
    assert "30 steps" in words["train"]
    assert "612 ms" in words["monitor"]
    assert words["gate"] == "gates: 3 passed"


def test_the_model_card_names_every_open_gate_among_the_limits(report: dict[str, Any]) -> None:
    limits = model_card(report).split("## Limits")[1]
    assert "latency P99" in limits
    assert "abnormal requests" in limits
    assert "improvement" not in limits


def test_a_model_card_keeps_tables_whole_and_html_out(report: dict[str, Any]) -> None:
    report["gates"][0]["reason"] = "a | b\n<script>alert(1)</script>"
    card = model_card(report)
    assert "a \\| b &lt;script>" in card
    assert "<script" not in card
    assert card.startswith("---\nlanguage:")


def test_a_row_that_could_not_be_read_is_no_row_that_was_kept() -> None:
    stages = [
        {"name": name, "verb": "prepare", "status": "done"} for name in ("collect", "prepare")
    ]
    read = {
        "stage": "collect",
        "step": "collect",
        "rows_in": 48,
        "rows_out": 43,
        "dropped": {"empty output": 5},
    }
    steps = [read, *({"stage": "prepare", "step": name, "rows_in": 43, "rows_out": 43, "dropped": {}}
                     for name in ("repair", "private"))]  # fmt: skip
    text = " ".join(story.sentences(told(accounting=steps, stages=stages)))
    assert "43 of 48 rows were fit to use" in text
    assert "every data step" not in text


def test_of_the_variants_that_answer_alike_the_fastest_is_told() -> None:
    def variant(name: str, size: int, speed: float, parity: str = "passed") -> dict[str, Any]:
        return {"variant": name, "bytes": size, "tokens_per_second": speed, "parity": parity}

    found = [
        variant("bf16", 260 << 20, 24.0),
        variant("q8_0", 139 << 20, 62.0),
        variant("int8", 133 << 20, 28.0),
        variant("q4_0", 80 << 20, 90.0, "failed"),
    ]
    [sentence] = [s for s in story.sentences(told(compression=found)) if "ompressed" in s]
    assert "q8_0" in sentence
    assert "139 MiB instead of 260 MiB" in sentence
    only_bad = [found[0], found[3]]
    assert "q4_0" in " ".join(story.sentences(told(compression=only_bad)))
