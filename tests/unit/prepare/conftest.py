"""A running stage's context on a temporary folder, and what it told."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core import events
from tunesmith.core.artifact import Artifact
from tunesmith.core.config import Resources
from tunesmith.core.events import EventWriter
from tunesmith.core.stage import Context
from tunesmith.kinds import Conversations
from tunesmith.records.conversation import Conversation, Message, identify
from tunesmith.records.rows import write_conversations


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    writer = EventWriter(tmp_path / "events.jsonl")
    yield Context(
        scratch=tmp_path / "scratch",
        keep=tmp_path / "keep",
        events=writer,
        resources=Resources(),
        seed=7,
        cache=tmp_path / "cache",
        project=tmp_path,
    )
    writer.close()


@pytest.fixture
def told(tmp_path: Path) -> Callable[[str], list[dict[str, Any]]]:
    """The events of one kind so far."""
    return lambda kind: [e for e in events.read(tmp_path / "events.jsonl") if e["kind"] == kind]


@pytest.fixture
def conversation() -> Callable[..., Conversation]:
    """A row of one question and one answer."""

    def make(question: str, answer: str, row: int = 0, group: str = "") -> Conversation:
        messages = (Message("user", question), Message("assistant", answer))
        return Conversation(messages, "rows.csv", row, identify(messages, "rows.csv", row), group)

    return make


@pytest.fixture
def published(tmp_path: Path) -> Callable[[Sequence[Conversation]], Artifact[Conversations]]:
    """Rows as an artefact that a stage may read."""
    count = iter(range(100))

    def publish(rows: Sequence[Conversation]) -> Artifact[Conversations]:
        folder = tmp_path / f"artifact-{next(count)}"
        write_conversations(folder, rows)
        return Artifact("0" * 64, folder)

    return publish
