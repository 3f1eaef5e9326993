"""What the unit tests of several rooms use: a context whose events can be read back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tunesmith.core.config import Resources
from tunesmith.core.events import EventWriter
from tunesmith.core.stage import Context


@pytest.fixture
def stage_context(tmp_path: Path) -> Iterator[Context]:
    """A context; its events lie in ``scratch / "events.jsonl"``, for `tunesmith.core.events.read`."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    events = EventWriter(scratch / "events.jsonl")
    yield Context(
        scratch=scratch,
        keep=tmp_path / "keep",
        events=events,
        resources=Resources(threads=1),
        seed=7,
        cache=tmp_path / "cache",
        project=tmp_path,
    )
    events.close()
