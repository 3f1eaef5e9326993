"""A context that keeps its events where a test can read them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tunesmith.core.config import Resources
from tunesmith.core.events import EventWriter
from tunesmith.core.stage import Context


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    events = EventWriter(tmp_path / "events.jsonl")
    yield Context(
        scratch=tmp_path / "scratch", keep=tmp_path / "keep", resources=Resources(threads=1), seed=7,
        events=events, cache=tmp_path / "cache", project=tmp_path,
    )  # fmt: skip
    events.close()
