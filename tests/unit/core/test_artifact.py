"""Artefacts and drafts carry their kind in their type."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from tunesmith.core.artifact import Artifact, Draft


class Rows:
    """Rows."""

    name: ClassVar[str] = "rows"
    version: ClassVar[int] = 1


def test_a_kind_may_be_written_where_a_draft_or_an_artefact_is_made() -> None:
    assert Draft[Rows](Path("a")) == Draft(Path("a"))
    assert Artifact[Rows]("d", Path("a")) == Artifact("d", Path("a"))


def test_an_artefact_is_never_edited() -> None:
    with pytest.raises(AttributeError):
        Artifact("d", Path("a")).digest = "other"  # type: ignore[misc]
