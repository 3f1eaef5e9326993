from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pytest
from rich.console import Console

from tunesmith.cli.progress import Teller, progress_words


def told(events: list[tuple[str, Mapping[str, Any]]], *, terminal: bool = False) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=100, color_system=None)
    with Teller(console) as teller:
        for step, event in events:
            teller(step, event)
    return out.getvalue()


def step(status: str, **more: Any) -> dict[str, Any]:
    return {
        "kind": "step",
        "status": status,
        "stage": "train",
        "verb": "train",
        "seconds": 3.2,
        **more,
    }


def progress(done: int) -> dict[str, Any]:
    return {"kind": "progress", "done": done, "total": 480, "unit": "rows", "label": "",
            "elapsed": 10.0, "memory_bytes": 6_012_954_214}  # fmt: skip


GATE = {"name": "improvement", "decision": "failed", "blocking": True, "reason": "the gain is 0.01"}


def test_progress_says_done_total_unit_rate_time_left_and_memory() -> None:
    assert progress_words(progress(120)) == "120 of 480 rows, 12 rows/s, 30 s left, 5.60 GiB"


@pytest.mark.parametrize("event", [
    {"kind": "progress", "done": 0, "total": 0, "unit": "rows"},
    {"kind": "progress", "done": 0, "total": 5, "unit": "rows", "elapsed": 0.0, "memory_bytes": 0},
    {"kind": "progress", "done": 5, "total": 5, "unit": "rows", "elapsed": 9.0},
])  # fmt: skip
def test_progress_that_has_no_rate_yet_still_says_what_is_done(event: dict[str, Any]) -> None:
    assert progress_words(event).endswith(("rows", "rows/s"))


def test_a_finished_step_is_one_line_with_time_numbers_and_outputs() -> None:
    fact = {
        "kind": "fact",
        "name": "training",
        "body": {"steps": 30, "seconds": 3.2, "tokens_per_second": 227.1},
    }
    text = told([
        ("train", step("running")), ("train", fact),
        ("train", step("done", outputs={"tuned": ("tuned", "3fa9c1d20b7e")}, metrics=[], gates=[])),
    ])  # fmt: skip
    [line] = text.strip().splitlines()
    assert "train" in line
    assert "3.2 s" in line
    assert "30 steps" in line
    assert "227 tokens/s" in line
    assert "tuned:3fa9c1d2" in line


def test_a_reused_step_says_so_and_still_tells_its_numbers() -> None:
    metric = {"subject": "tuned", "name": "rouge1", "value": 0.236}
    text = told([("evaluate", step("reused", outputs={}, metrics=[metric], gates=[]))])
    assert "reused" in text
    assert "ROUGE-1 0.236" in text


def test_numbers_of_the_step_before_are_not_told_again() -> None:
    metric = {"kind": "metric", "subject": "tuned", "name": "rouge1", "value": 0.236}
    text = told([
        ("evaluate", step("running")), ("evaluate", metric),
        ("evaluate", step("done", outputs={}, metrics=[metric], gates=[])),
        ("compress", step("reused", outputs={}, metrics=[], gates=[])),
    ])  # fmt: skip
    assert text.count("ROUGE-1") == 1


def test_a_gate_is_told_with_its_reason() -> None:
    text = told([("gate", step("done", outputs={}, metrics=[], gates=[GATE]))])
    assert "✕ improvement: The gain is 0.01." in text


def test_plain_output_is_not_flooded_by_progress() -> None:
    events: list[tuple[str, Mapping[str, Any]]] = [("train", step("running"))]
    events += [("train", progress(done)) for done in range(480)]
    assert told(events) == ""


def test_a_terminal_shows_the_running_step() -> None:
    assert "120 of 480 rows" in told(
        [("train", step("running")), ("train", progress(120))], terminal=True
    )


def test_markup_in_names_and_reasons_is_not_obeyed() -> None:
    gate = {**GATE, "name": "[red]x[/]", "reason": "[bold]y[/bold] is [/] broken"}
    text = told([("[b]s", step("done", outputs={}, metrics=[], gates=[gate]))])
    assert "[red]x[/]" in text
    assert "[/] broken" in text
    assert "[b]s" in text
