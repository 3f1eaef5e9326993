from __future__ import annotations

from pathlib import Path

import pytest

from tunesmith.core.errors import ConfigError
from tunesmith.report import explain, templates


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two invented templates in place of the shipped ones."""
    for name in ("clinical-notes", "contracts"):
        (tmp_path / "root" / name / "data").mkdir(parents=True)
        (tmp_path / "root" / name / "tunesmith.yaml").write_text(f"name: {name}\n")
        (tmp_path / "root" / name / "data" / "rows.jsonl").write_text("{}\n")
    monkeypatch.setattr(templates, "_root", lambda: tmp_path / "root")
    return tmp_path


def test_a_template_is_copied_whole_into_a_new_folder(root: Path) -> None:
    path = templates.write(root / "a" / "notes", "contracts")
    assert path.read_text() == "name: contracts\n"
    assert (root / "a" / "notes" / "data" / "rows.jsonl").exists()


def test_no_file_is_ever_written_over(root: Path) -> None:
    path = templates.write(root / "notes", "contracts")
    path.write_text("name: mine\n")
    with pytest.raises(ConfigError, match="already holds") as caught:
        templates.write(root / "notes", "contracts")
    assert caught.value.code == "project-exists"
    assert path.read_text() == "name: mine\n"


def test_an_empty_folder_or_one_with_other_files_may_become_a_project(root: Path) -> None:
    (root / "notes").mkdir()
    (root / "notes" / "README.md").write_text("hello")
    assert templates.write(root / "notes", "contracts").exists()


def test_an_unknown_template_is_told_the_nearest_one(root: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        templates.write(root / "notes", "contract")
    assert "--template contracts" in caught.value.fix


def test_every_code_that_is_listed_can_be_explained() -> None:
    assert explain.codes()
    for code in explain.codes():
        assert explain.page(code).startswith(f"# {code}")


@pytest.mark.parametrize("code", ["config-invald", "../../README", "", "/etc/passwd"])
def test_a_code_that_is_not_there_is_refused(code: str) -> None:
    with pytest.raises(ConfigError) as caught:
        explain.page(code)
    assert caught.value.code == "code-unknown"
