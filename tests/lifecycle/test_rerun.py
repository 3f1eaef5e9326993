"""A finished project run again does nothing; one changed setting runs its descendants and no more."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tunesmith
from tunesmith.core.ledger import Ledger
from tunesmith.core.store import Store
from tunesmith.report.diff import artifacts

HEAVY = {"torch", "transformers", "pyarrow", "numpy", "scipy", "peft", "safetensors", "sacrebleu"}
JUDGED = {"baseline", "plan", "evaluate", "gate"}
"""Steps of the recipe sft that the settings of `evaluate` reach: both evaluations and what reads them."""
IMPOSSIBLE = "gates.criteria=[{metric: rouge1, at_least: 0.999, name: 'nearly perfect'}]"


@pytest.fixture
def project(finished_project: Path, tmp_path: Path) -> Path:
    """A finished project of one's own."""
    return Path(shutil.copytree(finished_project, tmp_path / "project"))


@pytest.fixture(scope="module")
def changed_once(
    finished_project: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, tunesmith.RunResult]:
    """A finished project, run again with one setting of `evaluate` changed; read only."""
    folder = Path(shutil.copytree(finished_project, tmp_path_factory.mktemp("changed") / "project"))
    return folder, tunesmith.run(folder, settings=["evaluate.max_new_tokens=5"])


def runs(project: Path) -> list[str]:
    """Ids of the runs, the oldest first."""
    with Ledger(project / ".tunesmith" / "ledger.sqlite", readonly=True) as ledger:
        return [run["id"] for run in reversed(ledger.runs())]


def digests(project: Path, run: str | None = None) -> dict[str, str]:
    """Step.output -> digest."""
    return dict(artifacts(tunesmith.open_run(project, run)))


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Every path with its size and time of change; SQLite's own memory beside the ledger aside."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


# nothing changed


def test_a_second_run_does_no_step_and_starts_no_worker(
    project: Path, tunesmith_command: Callable[..., Any]
) -> None:
    before = os.times()
    ended = tunesmith_command("run", "-C", project)
    after = os.times()
    assert ended.code == 0, ended.err
    assert "0 steps ran, 12 reused" in ended.out
    assert ended.workers == ()
    assert not ended.launcher & HEAVY
    assert not (project / ".tunesmith" / "runs" / runs(project)[-1] / "worker.log").exists()
    used = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    assert used < 1.5, f"{used:.2f} s of computing, start-up included"


def test_a_second_run_has_the_same_report_as_the_first(
    project: Path, tunesmith_command: Callable[..., Any]
) -> None:
    first = tunesmith.open_run(project)
    assert tunesmith_command("run", "-C", project).code == 0
    second = tunesmith.open_run(project)
    for part in ("metrics", "gates", "accounting", "plan", "training", "lineage"):
        assert second[part] == first[part], part
    assert {stage["reused"] for stage in second["stages"]} == {True}


def test_a_first_run_starts_one_worker_which_alone_imports_what_is_heavy(
    make_project: Callable[..., Path], tunesmith_command: Callable[..., Any]
) -> None:
    ended = tunesmith_command("prepare", "-C", make_project("first", recipe="sft"))
    assert ended.code == 0, ended.err
    [worker] = ended.workers
    assert "pyarrow" in worker
    assert not worker & {"torch", "transformers"}, "preparing rows needs no model"
    assert not ended.launcher & HEAVY


# one thing changed


@pytest.mark.parametrize(
    ("setting", "steps"),
    [
        ("resources.threads=2", set()),
        ("name=another", set()),
        ("gates.criteria=[]", {"gate"}),
        ("plan.target=0.9", {"plan"}),
        ("probe.max_new_tokens=9", {"probe-base", "probe-tuned", "gate"}),
        ("evaluate.max_new_tokens=5", JUDGED),
        ("train.weight_decay=0.1", {"train", "evaluate", "probe-tuned", "gate"}),
        ("train.lora.r=2", {"select", "train", "evaluate", "probe-tuned", "gate"}),
        ("seed=12", {"collect", "prepare", "fetch", "general", "select", "train", "probe-base", "probe-tuned"} | JUDGED),
    ],
)  # fmt: skip
def test_one_changed_setting_would_run_its_steps_and_what_reads_them(
    finished_project: Path, setting: str, steps: set[str]
) -> None:
    rows = tunesmith.dry_run(finished_project, settings=[setting])
    assert {row["step"] for row in rows if row["status"] == "run"} == steps


@pytest.mark.real
def test_a_changed_setting_of_evaluate_runs_evaluation_and_what_follows_and_nothing_else(
    changed_once: tuple[Path, tunesmith.RunResult],
) -> None:
    project, result = changed_once
    assert result.status == "done", result.error
    assert set(result.ran) == JUDGED
    assert set(result.reused) == {"collect", "prepare", "fetch", "select", "train", "general", "probe-base", "probe-tuned"}  # fmt: skip
    first, second = runs(project)
    before, after = digests(project, first), digests(project, second)
    same = {name for name in before if before[name] == after[name]}
    assert {"train.tuned", "prepare.train", "fetch.model"} <= same
    assert not {"baseline.scores", "evaluate.scores"} & same


@pytest.mark.real
def test_going_back_to_the_old_setting_runs_nothing(
    changed_once: tuple[Path, tunesmith.RunResult],
) -> None:
    rows = tunesmith.dry_run(changed_once[0])
    assert {row["status"] for row in rows} == {"reuse"}


@pytest.mark.real
def test_a_damaged_result_is_made_again_with_the_same_bytes(project: Path) -> None:
    before = digests(project)
    shutil.rmtree(Store(project / ".tunesmith" / "store").path(before["general.rows"]))
    result = tunesmith.run(project)
    assert result.status == "done", result.error
    assert result.ran == ("general",)
    assert digests(project) == before


# from, until, dry-run


def test_until_ends_after_the_phase_and_leaves_the_rest_alone(
    project: Path, tunesmith_command: Callable[..., Any]
) -> None:
    ended = tunesmith_command("run", "-C", project, "--until", "select")
    assert "0 steps ran, 6 reused" in ended.out
    report = tunesmith.open_run(project)
    asked = [stage["name"] for stage in report["stages"] if stage["status"] != "not asked for"]
    assert asked == ["collect", "prepare", "fetch", "baseline", "plan", "select"]


@pytest.mark.real
def test_from_runs_the_phase_and_what_follows_anew_with_the_same_result(
    project: Path, tunesmith_command: Callable[..., Any]
) -> None:
    before = digests(project)
    ended = tunesmith_command("run", "-C", project, "--from", "evaluate")
    assert ended.code == 0, ended.err
    assert "5 steps ran, 7 reused" in ended.out
    after = digests(project)
    assert after == before, "the same inputs give the same bytes"


@pytest.mark.parametrize("more", [(), ("--set", "seed=12"), ("--from", "train")])
def test_a_dry_run_writes_nothing(
    finished_project: Path, tunesmith_command: Callable[..., Any], more: tuple[str, ...]
) -> None:
    before = tree(finished_project)
    ended = tunesmith_command("run", "-C", finished_project, "--dry-run", *more)
    assert (ended.code, ended.err) == (0, "")
    assert not ended.launcher & HEAVY
    assert tree(finished_project) == before


def test_a_dry_run_of_a_new_project_makes_no_folder(
    make_project: Callable[..., Path], tunesmith_command: Callable[..., Any]
) -> None:
    project = make_project(recipe="sft")
    ended = tunesmith_command("run", "-C", project, "--dry-run")
    assert ended.code == 0
    assert sorted(path.name for path in project.iterdir()) == [
        "general.jsonl", "later.jsonl", "tunesmith.yaml", "visits.jsonl",
    ]  # fmt: skip


# gates


def test_a_failed_gate_ends_with_3_and_can_be_accepted_on_the_record(
    project: Path, tunesmith_command: Callable[..., Any]
) -> None:
    refused = tunesmith_command("run", "-C", project, "--set", IMPOSSIBLE)
    assert refused.code == 3, refused.out + refused.err
    assert "nearly perfect" in refused.err
    assert "--accept 'nearly perfect' --because" in refused.err
    assert tunesmith.open_run(project)["run"]["status"] == "gate failed"

    wrong = tunesmith_command("run", "-C", project, "--set", IMPOSSIBLE, "--accept", "nearly",
                              "--because", "a slip")  # fmt: skip
    assert wrong.code == 3
    assert "--accept 'nearly' accepts nothing" in wrong.out

    why = "a tiny model that nobody ships"
    accepted = tunesmith_command("run", "-C", project, "--set", IMPOSSIBLE, "--accept", "nearly perfect",
                                 "--because", why)  # fmt: skip
    assert accepted.code == 0, accepted.err
    [gate] = [g for g in tunesmith.open_run(project)["gates"] if g["name"] == "nearly perfect"]
    assert (gate["decision"], gate["accepted"]) == ("failed", why)
    assert why in accepted.out

    later = tunesmith_command("run", "-C", project, "--set", IMPOSSIBLE)
    assert later.code == 0, "what was accepted stays accepted"


# run.yaml


def test_run_yaml_says_where_each_value_came_from_and_can_be_run_again(
    project: Path, tunesmith_command: Callable[..., Any]
) -> None:
    assert tunesmith_command("run", "-C", project, "--set", "gates.resamples=150").code in {0, 2}
    written = project / ".tunesmith" / "runs" / runs(project)[-1] / "run.yaml"
    text = written.read_text(encoding="utf-8")
    values = [line for line in text.splitlines() if not line.startswith("#")]
    assert all("  # " in line or line.endswith(":") for line in values)
    for place in ("default", "tunesmith.yaml:3"):
        assert f"# {place}" in text
    keys = {row["step"]: row["key"] for row in tunesmith.dry_run(project)}
    shutil.copy(written, project / "tunesmith.yaml")
    again = tunesmith.dry_run(project)
    assert {row["status"] for row in again} == {"reuse"}
    assert {row["step"]: row["key"] for row in again} == keys


# looking


@pytest.mark.real
def test_two_runs_are_told_apart_by_settings_numbers_and_artefacts(
    changed_once: tuple[Path, tunesmith.RunResult], tunesmith_command: Callable[..., Any]
) -> None:
    project, _ = changed_once
    first, second = runs(project)
    ended = tunesmith_command("diff", first, second, "-C", project)
    assert ended.code == 0, ended.err
    assert "evaluate.max_new_tokens" in ended.out
    found = json.loads(tunesmith_command("diff", first, second, "-C", project, "--json").out)
    [setting] = found["settings"]
    assert (setting["key"], setting["before"], setting["after"]) == (
        "evaluate.max_new_tokens",
        8,
        5,
    )
    changed = {entry["output"] for entry in found["artifacts"]}
    assert "evaluate.scores" in changed
    assert "train.tuned" not in changed


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ((), "evaluate"), (("runs",), "done"), (("prepare.train", "--rows", "2"), "visit"),
        (("train.tuned",), "adapter_model.safetensors"), (("gate.verdict",), "verdict.json"),
        (("mask", "--rows", "1"), "[["), (("card",), None), (("select.choise",), None),
    ],
)  # fmt: skip
def test_show_finds_what_a_run_made(
    finished_project: Path, tunesmith_command: Callable[..., Any], what: tuple[str, ...], words: str | None
) -> None:  # fmt: skip
    before = tree(finished_project)
    ended = tunesmith_command("show", *what, "-C", finished_project)
    if words is None:
        ended.refusal("show-unknown")
    else:
        assert (ended.code, ended.err) == (0, "")
        assert words in ended.out
    assert tree(finished_project) == before, "looking writes nothing"


def test_report_writes_what_the_run_wrote(
    project: Path, tunesmith_command: Callable[..., Any]
) -> None:
    [folder] = (project / ".tunesmith" / "runs").iterdir()
    names = ("report.html", "report.json", "model-card.md")
    before = {name: (folder / name).read_bytes() for name in names}
    for name in names:
        (folder / name).unlink()
    ended = tunesmith_command("report", "-C", project)
    assert ended.code == 0, ended.err
    assert not ended.launcher & {"torch", "transformers"}
    assert {name: (folder / name).read_bytes() for name in names} == before
    assert str(folder / "report.html") in ended.out


def test_a_run_that_is_not_there_is_told_with_those_that_are(
    finished_project: Path, tunesmith_command: Callable[..., Any]
) -> None:
    told = tunesmith_command("report", "1999", "-C", finished_project).refusal("run-missing")
    assert runs(finished_project)[-1] in told


# stopping


@pytest.mark.real
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_says_so_and_goes_on_later(
    make_project: Callable[..., Path], number: signal.Signals
) -> None:
    project = make_project(recipe="sft")
    command = [sys.executable, "-m", "tunesmith", "run", "-C", str(project), "--until", "select"]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )
    while not (project / ".tunesmith" / "store").is_dir() or not any(
        (project / ".tunesmith" / "store").rglob("rows.parquet")
    ):
        assert running.poll() is None
        time.sleep(0.01)
    running.send_signal(number)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 143, out + err
    assert "error: the run was stopped" in err
    assert "Traceback" not in out + err
    assert "can go on from there" in out
    again = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert again.returncode == 0, again.stderr
    assert "reused" in again.stdout
    assert "0 reused" not in again.stdout
