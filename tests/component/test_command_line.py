"""The command line from outside: real processes on a real project of invented rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tunesmith import api
from tunesmith.report import templates

ROWS = [
    {"prompt": f"What is dish number {i} made of?", "completion": f"It is made of {word}, salt and oil."}
    for i, word in enumerate(["rice", "beans", "corn", "wheat", "oats", "peas", "kale", "beets", "leeks", "figs", "plums", "pears"] * 3)
]  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose rows were collected and prepared once; its model is never opened."""
    folder = tmp_path_factory.mktemp("kitchen")
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    (folder / "model").mkdir()
    (folder / "model" / "config.json").write_text("{}")
    (folder / "tunesmith.yaml").write_text(
        "name: kitchen\nrecipe: sft\nmodel:\n  model: model\ndata:\n  rows: rows.jsonl\n"
    )
    done = tunesmith("prepare", folder)
    assert done.returncode == 0, done.stderr
    assert "36 rows in" in done.stdout
    return folder


def tunesmith(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command on the project that is named last."""
    *words, folder = map(str, arguments)
    code = "from tunesmith.cli.main import main; main()"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "COLUMNS": "120"}
    return subprocess.run(
        [sys.executable, "-c", code, *words, "--project", folder],
        capture_output=True, text=True, env=environment, timeout=120,
    )  # fmt: skip


def test_a_finished_phase_run_again_reuses_everything(project: Path) -> None:
    done = tunesmith("prepare", project)
    assert done.returncode == 0
    assert "0 steps ran, 2 reused" in done.stdout


def test_a_dry_run_says_what_would_happen_and_runs_nothing(project: Path) -> None:
    runs = len(api.show(project, "runs")["runs"])
    done = tunesmith("run", "--dry-run", "--set", "prepare.length.prompt_at_least=2", project)
    assert done.returncode == 0
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.split()}
    assert "be reused" in lines["collect"]
    assert "run" in lines["prepare"]
    assert len(api.show(project, "runs")["runs"]) == runs


def test_a_misspelt_setting_is_a_user_error_with_the_nearest_name(project: Path) -> None:
    done = tunesmith("run", "--set", "train.learning_rat=1", project)
    assert done.returncode == 2
    assert "did you mean `learning_rate`?" in done.stderr
    assert "tunesmith explain config-invalid" in done.stderr


def test_a_phase_that_is_not_there_is_a_user_error(project: Path) -> None:
    done = tunesmith("run", "--until", "tran", project)
    assert done.returncode == 2
    assert "`train`" in done.stderr


def test_a_folder_that_is_no_project_is_a_user_error(tmp_path: Path) -> None:
    done = tunesmith("run", tmp_path)
    assert done.returncode == 2
    assert "tunesmith init" in done.stderr


def test_everything_that_can_be_shown_is_shown(project: Path) -> None:
    assert "prepare" in tunesmith("show", project).stdout
    shown = tunesmith("show", "prepare.train", "--rows", "1", project).stdout
    assert "What is dish number" in shown
    assert "rows.jsonl" in shown
    assert "sft" in tunesmith("show", "runs", project).stdout
    digest = api.show(project, "prepare.train")["digest"]
    assert json.loads(tunesmith("show", digest[:10], "--json", project).stdout)["digest"] == digest
    assert tunesmith("show", "prepare.trian", project).returncode == 2


def test_two_runs_are_compared(project: Path) -> None:
    changed = tunesmith("prepare", "--set", "prepare.length.prompt_at_least=2", project)
    assert changed.returncode == 0, changed.stderr
    after, before, *_ = (run["id"] for run in api.show(project, "runs")["runs"])
    done = tunesmith("diff", before, after, project)
    assert done.returncode == 0, done.stderr
    assert "prepare.length.prompt_at_least" in done.stdout


def test_a_report_is_written_again_from_the_ledger(project: Path) -> None:
    done = tunesmith("report", project)
    assert done.returncode == 0, done.stderr
    page = Path(done.stdout.splitlines()[1].strip())
    first = page.read_text()
    page.unlink()
    tunesmith("report", project)
    assert "36" in first
    assert page.exists()


def test_the_doctor_finds_the_project_and_changes_nothing(project: Path) -> None:
    before = sorted(project.rglob("*"))
    done = tunesmith("doctor", project)
    assert "kitchen, recipe sft" in done.stdout
    assert sorted(project.rglob("*")) == before


@pytest.mark.parametrize("name", templates.names())
def test_every_shipped_template_is_a_project_that_can_be_planned(name: str, tmp_path: Path) -> None:
    api.initialise(tmp_path / "new", name)
    assert [row["step"] for row in api.dry_run(tmp_path / "new")]
