"""Verdicts on hand-made traffic."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunesmith.core.config import Resources
from tunesmith.core.errors import DataError
from tunesmith.core.events import EventWriter, read
from tunesmith.core.stage import Context
from tunesmith.monitor.config import MonitorConfig
from tunesmith.monitor.health import abnormal, judge, latency
from tunesmith.records.rows import write_table
from tunesmith.serve.record import SCHEMA


def test_299_fast_requests_prove_a_p99_and_298_do_not() -> None:
    config = MonitorConfig()
    assert latency(config, [0.1] * 299).verdict == "met"
    finding = latency(config, [0.1] * 298)
    assert finding.verdict == "not enough requests"
    assert "299 with no more than 0 such would prove the objective, 298 were made" in finding.reason
    assert finding.bound is None


def test_many_slow_requests_violate_a_p99() -> None:
    finding = latency(MonitorConfig(), [0.1] * 90 + [0.7] * 10)
    assert (finding.verdict, finding.measured) == ("violated", 0.7)


def test_2995_good_requests_prove_the_abnormal_rate_and_2994_do_not() -> None:
    config = MonitorConfig()
    assert abnormal(config, 0, 2995).verdict == "met"
    assert abnormal(config, 0, 2994).verdict == "not enough requests"
    assert abnormal(config, 40, 2995).verdict == "violated"


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    events = EventWriter(tmp_path / "events.jsonl")
    yield Context(
        scratch=tmp_path,
        keep=tmp_path,
        events=events,
        resources=Resources(),
        seed=1,
        cache=tmp_path,
    )
    events.close()


def _traces(folder: Path, seconds: list[float | None], faults: list[str]) -> Path:
    folder.mkdir()
    lines = [
        {
            "id": f"r{i}", "row": "x", "due_seconds": float(i), "queued_seconds": 0.0,
            "ttft_seconds": first, "total_seconds": 1.0, "prompt_tokens": 5, "completion_tokens": 2,
            "status": 500 if fault else 200, "finish_reason": "stop", "fault": fault,
            "prompt": "p", "answer": "a",
        }
        for i, (first, fault) in enumerate(zip(seconds, faults, strict=True))
    ]  # fmt: skip
    write_table(folder / "traces.parquet", lines, SCHEMA)
    use = {"cpu": 0.5, "peak_memory_bytes": 7, "gpu": None, "gpu_memory_bytes": None}
    (folder / "server.json").write_text(json.dumps({"format": 1, "use": use}))
    return folder


def test_the_fact_has_latencies_abnormal_rate_and_use(tmp_path: Path, ctx: Context) -> None:
    traces = _traces(tmp_path / "traces", [0.1, 0.2, None], ["", "", "status 500"])
    health = judge(MonitorConfig(), traces, folder=tmp_path, ctx=ctx)
    assert health["latency"]["ttft"]["p50"] == 0.2
    assert health["latency"]["ttft"]["p99"] == 1.0, "a request without a token waited to its end"
    assert health["abnormal"]["count"] == 1
    assert health["abnormal"]["by_fault"] == {"status 500": 1}
    assert health["use"] == {"cpu": 0.5, "memory_bytes": 7, "gpu": None, "gpu_memory_bytes": None}
    assert json.loads((tmp_path / "health.json").read_text()) == health


@pytest.mark.parametrize("blocking", [False, True])
def test_only_a_violated_objective_may_stop_the_pipeline(
    tmp_path: Path, ctx: Context, blocking: bool
) -> None:
    traces = _traces(tmp_path / "traces", [0.9] * 30, [""] * 30)
    judge(MonitorConfig(blocking=blocking), traces, folder=tmp_path, ctx=ctx)
    events = read(tmp_path / "events.jsonl")
    gates = [event for event in events if event["kind"] == "gate"]
    notes = [event["text"] for event in events if event["kind"] == "note"]
    assert [(one["name"], one["decision"], one["blocking"]) for one in gates] == [
        ("P99 time to first token", "failed", blocking)
    ]
    assert len(notes) == 1
    assert notes[0].startswith("abnormal requests: not enough requests")


def test_no_traffic_is_refused(tmp_path: Path, ctx: Context) -> None:
    with pytest.raises(DataError, match="holds no request"):
        judge(
            MonitorConfig(), _traces(tmp_path / "t", [], []), folder=tmp_path,
            ctx=ctx,
        )  # fmt: skip
