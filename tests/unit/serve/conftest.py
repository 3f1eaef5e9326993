"""Servers on the tiny model, each on a free port of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tunesmith.core.config import Resources
from tunesmith.serve.config import ServerConfig
from tunesmith.serve.server import Server, Setup, serve

KEY = "a-key-of-the-tests"


@pytest.fixture(scope="session")
def tiny_server(
    tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, Path]]:
    """A server with a key and two slots, and its trace file."""
    traces = tmp_path_factory.mktemp("traces") / "traces.jsonl"
    server = serve(
        tiny_folder, port=0, api_key=KEY, engine="transformers",
        setup=Setup(
            config=ServerConfig(slots=2, queue=3, max_body_bytes=20_000, drain_seconds=20),
            resources=Resources(threads=1), traces=traces,
        ),
    )  # fmt: skip
    yield server, traces
    server.close()
