"""What a running stage is given: folders, seeds, events, and the request to stop."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core import stage
from tunesmith.core.config import Resources
from tunesmith.core.errors import Stopped
from tunesmith.core.events import EventWriter, read
from tunesmith.core.stage import Context, GateResult


@dataclass(frozen=True)
class Estimate:
    """A number with its interval."""

    value: float = 0.5
    low: float = 0.4
    high: float = 0.6
    n: int = 10
    unit: str = "share"
    scorer: str = "exact_match"


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    events = EventWriter(tmp_path / "events.jsonl")
    yield Context(
        tmp_path / "scratch", tmp_path / "keep", events, Resources(), 7, tmp_path / "cache"
    )
    events.close()


def told(context: Context) -> list[dict[str, Any]]:
    return read(context.scratch.parent / "events.jsonl")


def test_a_draft_is_an_empty_folder_even_the_second_time(context: Context) -> None:
    (context.draft("rows") / "old").touch()
    folder = context.draft("rows")
    assert folder.is_dir()
    assert list(folder.iterdir()) == []


def test_streams_come_from_the_seed_of_the_run(context: Context) -> None:
    assert context.stream("order") != context.stream("dropout")
    assert context.stream("order") == Context(
        context.scratch, context.keep, context.events, Resources(), 7, context.cache
    ).stream("order")


def test_progress_is_told_at_most_ten_times_a_second_and_always_at_the_end(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(stage.time, "monotonic", lambda: clock[0])
    for done in range(1, 1001):
        clock[0] += 0.01
        context.progress(done, 1000, "rows", "reading")
    events = told(context)
    assert 90 <= len(events) <= 102
    assert (events[-1]["done"], events[-1]["total"], events[-1]["unit"]) == (1000, 1000, "rows")
    assert events[-1]["elapsed"] == pytest.approx(9.99)


def test_progress_stops_a_stage_that_was_asked_to_stop(context: Context) -> None:
    context.progress(0, 2, "rows")
    context.stop.set()
    with pytest.raises(Stopped) as caught:
        context.progress(1, 2, "rows")
    assert (caught.value.code, caught.value.exit_code) == ("stopped", 143)


def test_rows_that_do_not_add_up_are_our_mistake(context: Context) -> None:
    context.accounting("clean", 10, 7, {"short": 2, "same": 1})
    with pytest.raises(AssertionError, match="10 rows in, 7 out, 2 dropped"):
        context.accounting("clean", 10, 7, {"short": 2})
    assert [event["dropped"] for event in told(context)] == [{"short": 2, "same": 1}]


@pytest.mark.parametrize("field", ["value", "low", "high"])
def test_a_metric_that_is_not_a_number_is_our_mistake(context: Context, field: str) -> None:
    context.metric("tuned", "accuracy", Estimate())
    with pytest.raises(AssertionError, match="tuned: accuracy"):
        context.metric("tuned", "accuracy", Estimate(**{field: math.nan}))
    (event,) = told(context)
    assert (event["subject"], event["name"], event["value"], event["n"]) == (
        "tuned",
        "accuracy",
        0.5,
        10,
    )


def test_a_gate_is_told_with_its_decision_in_words(context: Context) -> None:
    context.gate(
        GateResult("better", passed=False, reason="it is worse", value=-0.1, threshold=0.1)
    )
    (event,) = told(context)
    assert (event["decision"], event["blocking"], event["value"]) == ("failed", True, -0.1)
    assert "passed" not in event


def test_notes_facts_and_points_are_told_as_they_are(context: Context) -> None:
    context.note("half way")
    context.fact("plan", {"rows": [1, 2]})
    context.point("loss", 3, 0.25)
    assert [{k: v for k, v in event.items() if k != "at"} for event in told(context)] == [
        {"kind": "note", "text": "half way"},
        {"kind": "fact", "name": "plan", "body": {"rows": [1, 2]}},
        {"kind": "point", "series": "loss", "x": 3, "y": 0.25},
    ]
