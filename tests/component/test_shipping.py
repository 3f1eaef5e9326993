"""Compress, serve and monitor, one after another, on the tiny model: real files, real server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tunesmith.compress.config import CompressConfig
from tunesmith.compress.stage import Compress, CompressInputs
from tunesmith.core.artifact import Artifact
from tunesmith.core.config import Resources
from tunesmith.core.errors import Stopped
from tunesmith.core.events import EventWriter, read
from tunesmith.core.stage import Context
from tunesmith.kinds import Compressed, Conversations, Model, Traces
from tunesmith.monitor.config import MonitorConfig
from tunesmith.monitor.stage import Monitor, MonitorInputs
from tunesmith.records.conversation import Conversation, Message, identify
from tunesmith.records.rows import write_conversations
from tunesmith.serve.config import ServeConfig, ServerConfig
from tunesmith.serve.stage import Serve, ServeInputs

pytestmark = pytest.mark.real

SMALL_LOAD = ServeConfig(
    requests=6,
    rate=20.0,
    max_new_tokens=6,
    parity_rows=3,
    server=ServerConfig(slots=2, context=512),
)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Artifact[Conversations]:
    folder = tmp_path_factory.mktemp("rows")
    made = []
    for i in range(5):
        asked = Message("user", f"Write to person{i}@example.org about visit {i}.")
        messages = (asked, Message("assistant", f"Dear person {i}, thank you for visit {i}."))
        made.append(Conversation(messages, "test", i, identify(messages, "test", i)))
    write_conversations(folder, made)
    return Artifact("rows", folder)


@pytest.fixture(scope="module")
def ctx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    folder = tmp_path_factory.mktemp("scratch")
    events = EventWriter(folder / "events.jsonl")
    resources = Resources(threads=1, device="cpu", generate_batch=2)
    yield Context(
        scratch=folder, keep=folder, events=events, resources=resources, seed=3, cache=folder
    )
    events.close()


@pytest.fixture(scope="module")
def compressed(
    tiny_folder: Path, rows: Artifact[Conversations], ctx: Context
) -> Artifact[Compressed]:
    config = CompressConfig(max_rows=4, max_new_tokens=6, speed_rounds=1, speed_tokens=4)
    made = Compress().run(config, CompressInputs(Artifact("model", tiny_folder), rows), ctx)
    return Artifact("compressed", made.compressed.path)


@pytest.fixture(scope="module", params=["transformers", "llama.cpp"])
def traces(
    request: pytest.FixtureRequest, tiny_folder: Path, rows: Artifact[Conversations],
    compressed: Artifact[Compressed], ctx: Context,
) -> Artifact[Traces]:  # fmt: skip
    server = SMALL_LOAD.server.model_copy(update={"engine": request.param})
    made = Serve().run(
        SMALL_LOAD.model_copy(update={"server": server}),
        ServeInputs(Artifact("model", tiny_folder), rows, compressed=compressed),
        ctx,
    )
    return Artifact("traces", made.traces.path)


def _events(ctx: Context, kind: str) -> list[dict[str, Any]]:
    return [event for event in read(ctx.scratch / "events.jsonl") if event["kind"] == kind]


def test_every_variant_is_written_smaller_and_measured(
    compressed: Artifact[Compressed], ctx: Context
) -> None:
    body = json.loads((compressed.path / "table.json").read_text())
    lines = {line["variant"]: line for line in body["variants"]}
    assert list(lines) == ["bf16", "q8_0", "int8"]
    assert lines["bf16"]["parity"] == "reference"
    assert lines["bf16"]["agreement"] == lines["bf16"]["ratio"] == 1.0
    for line in lines.values():
        assert line["prompt_tokens_per_second"] > 0
        assert line["tokens_per_second"] > 0
        assert line["perplexity"] == pytest.approx(lines["bf16"]["perplexity"], rel=0.05)
    [fact] = [e for e in _events(ctx, "fact") if e["name"] == "compression"]
    assert fact["body"] == body["variants"]
    gates = {e["name"]: e["blocking"] for e in _events(ctx, "gate") if "served" not in e["name"]}
    assert gates["parity bf16"] is True
    assert gates["parity int8"] is False


def test_the_bf16_folder_loads_in_plain_transformers(compressed: Artifact[Compressed]) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = compressed.path / "bf16"
    assert AutoModelForCausalLM.from_pretrained(folder).config.num_hidden_layers == 2
    assert AutoTokenizer.from_pretrained(folder).chat_template


def test_each_request_has_its_times_and_no_private_data(
    traces: Artifact[Traces], ctx: Context
) -> None:
    table = pq.read_table(traces.path / "traces.parquet").to_pydict()
    assert len(table["id"]) == 6
    assert table["fault"] == [""] * 6
    assert table["due_seconds"] == sorted(table["due_seconds"])
    for first, total in zip(table["ttft_seconds"], table["total_seconds"], strict=True):
        assert 0 < first <= total
    assert all("[EMAIL]" in prompt and "@" not in prompt for prompt in table["prompt"])
    assert all(tokens >= 1 for tokens in table["completion_tokens"])
    server = json.loads((traces.path / "server.json").read_text())
    assert server["use"]["peak_memory_bytes"] >= 0
    gates = [e for e in _events(ctx, "gate") if e["name"] == "parity served"]
    assert all(gate["decision"] == "passed" for gate in gates)


def test_health_is_judged_from_the_traces(traces: Artifact[Traces], ctx: Context) -> None:
    made = Monitor().run(MonitorConfig(), MonitorInputs(traces), ctx)
    health = json.loads((made.health.path / "health.json").read_text())
    assert [one["verdict"] for one in health["objectives"]][1] == "not enough requests"
    assert health["latency"]["ttft"]["p99"] > 0
    assert health["latency"]["ttft"]["p99_at_most"] is None


def test_a_server_that_cannot_start_says_why(
    rows: Artifact[Conversations], ctx: Context, tmp_path: Path
) -> None:
    from tunesmith.core.errors import RunError

    config = SMALL_LOAD.model_copy(update={"server": ServerConfig(engine="transformers")})
    with pytest.raises(RunError) as caught:
        Serve().run(config, ServeInputs(Artifact("model", tmp_path / "nothing"), rows), ctx)
    assert "there is no model folder" in caught.value.why


def test_a_stop_ends_the_server_process_too(
    tiny_folder: Path, rows: Artifact[Conversations], ctx: Context
) -> None:
    import psutil

    config = SMALL_LOAD.model_copy(
        update={"server": ServerConfig(engine="transformers"), "requests": 500, "rate": 5.0}
    )
    threading.Timer(6.0, ctx.stop.set).start()
    try:
        with pytest.raises(Stopped):
            Serve().run(config, ServeInputs(Artifact[Model]("model", tiny_folder), rows), ctx)
    finally:
        ctx.stop.clear()
    assert not [
        child for child in psutil.Process().children(recursive=True)
        if "tunesmith.serve.process" in child.cmdline()
    ]  # fmt: skip
