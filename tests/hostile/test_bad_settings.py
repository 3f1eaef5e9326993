"""Settings that cannot be used: told with file, line, value and remedy, before torch is imported."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tunesmith.recipes.settings import load

HEAVY = {"torch", "transformers", "pyarrow", "numpy", "peft", "scipy"}


@pytest.fixture
def refused(tunesmith_command: Callable[..., Any]) -> Callable[..., str]:
    """The error that a command ends with, as it was told, from a process without heavy imports."""

    def run(code: str, *arguments: str | Path) -> str:
        ended = tunesmith_command(*arguments)
        assert not ended.launcher & HEAVY
        assert ended.workers == ()
        return str(ended.refusal(code))

    return run


def line_of(project: Path, key: str) -> int:
    lines = (project / "tunesmith.yaml").read_text().splitlines()
    return next(i for i, line in enumerate(lines, 1) if line.strip().startswith(f"{key}:"))


@pytest.mark.parametrize(
    ("sections", "key", "words"),
    [
        ({"sead": 11}, "sead", "`sead` is not a setting; did you mean `seed`?"),
        ({"train": {"num_train_epoch": 2}}, "num_train_epoch",
         "`train.num_train_epoch` is not a setting; did you mean `num_train_epochs`?"),
        ({"train": {"lora": {"rr": 4}}}, "rr", "`train.lora.rr` is not a setting; did you mean `r`?"),
        ({"train": {"num_train_epochs": "two"}}, "num_train_epochs", "'two': input should be a valid number"),
        ({"train": {"lora": {"r": -4}}}, "r", "`train.lora.r` = -4: input should be greater than"),
        ({"train": {"learning_rate": "fast"}}, "learning_rate", "'fast': input should be a valid number"),
        ({"plan": {"shots": 3}}, "shots", "`plan.shots` = 3: input should be a valid tuple"),
        ({"recipe": "lifecycel"}, "recipe", "input should be 'lifecycle', 'sft' or 'dpo'"),
        ({"train": "fast"}, "train", "`train` = 'fast': input should be"),
        ({"data": {"rows": ["a", "b"]}}, "rows", "`data.rows` = ['a', 'b']"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_used_is_told_with_its_line_and_value(
    make_project: Callable[..., Path], refused: Callable[..., str], sections: dict[str, Any], key: str, words: str
) -> None:  # fmt: skip
    project = make_project(**sections)
    told = refused("config-invalid", "run", "-C", project)
    assert words in told
    assert f"(tunesmith.yaml:{line_of(project, key)})" in told
    assert str(project / "tunesmith.yaml") in told
    assert "tunesmith show ProjectConfig" in told
    assert not (project / ".tunesmith").exists()


def test_a_key_that_stands_twice_is_refused_with_its_second_line(
    make_project: Callable[..., Path], refused: Callable[..., str]
) -> None:
    project = make_project()
    with (project / "tunesmith.yaml").open("a") as file:
        file.write("seed: 12\n")
    line = len((project / "tunesmith.yaml").read_text().splitlines())
    told = refused("yaml-invalid", "run", "-C", project)
    assert f"`seed` stands twice, the second time in line {line}" in told


@pytest.mark.parametrize(
    "text", ["a: b: c\n", "\tx: 1\n", "x: &x {y: *x}\n", "x: !!python/name:os.system\n"]
)
def test_lines_that_are_no_settings_are_refused_with_their_number(
    make_project: Callable[..., Path], refused: Callable[..., str], text: str
) -> None:
    project = make_project()
    number = len((project / "tunesmith.yaml").read_text().splitlines()) + 1
    with (project / "tunesmith.yaml").open("a") as file:
        file.write(text)
    assert f"line {number}" in refused("yaml-invalid", "run", "-C", project)


def test_a_learning_rate_given_as_text_is_a_number(
    make_project: Callable[..., Path], tunesmith_command: Callable[..., Any]
) -> None:
    assert yaml.safe_load("5e-4") == "5e-4", "YAML reads a number without a point as text"
    project = make_project(recipe="sft", train={"learning_rate": "5e-4"})
    assert load(project).config.train.learning_rate == 0.0005
    ended = tunesmith_command("run", "-C", project, "--dry-run")
    assert (ended.code, ended.err) == (0, "")
    assert not ended.launcher & HEAVY


def test_other_tools_spellings_are_read_and_told_with_their_lines(
    make_project: Callable[..., Path], tunesmith_command: Callable[..., Any]
) -> None:
    project = make_project(recipe="sft", train={"cutoff_len": 512, "lr_scheduler": "cosine"})
    ended = tunesmith_command("run", "-C", project, "--dry-run")
    assert ended.code == 0
    for theirs, ours in (("cutoff_len", "max_length"), ("lr_scheduler", "lr_scheduler_type")):
        place = f"tunesmith.yaml:{line_of(project, theirs)}"
        assert f"note: {place}: `train.{theirs}` is read as `train.{ours}`" in ended.out


@pytest.mark.parametrize("other", ["max_length", "max_seq_length"])
def test_two_spellings_of_one_setting_are_refused_with_both_lines(
    make_project: Callable[..., Path], refused: Callable[..., str], other: str
) -> None:
    project = make_project(train={"cutoff_len": 512, other: 256})
    told = refused("setting-twice", "run", "-C", project)
    for key in ("cutoff_len", other):
        assert f"`train.{key}` (tunesmith.yaml:{line_of(project, key)})" in told
    assert "keep `train.max_length`" in told


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("nonsense", "set-invalid", "--set 'nonsense' is not KEY=VALUE"),
        ("=3", "set-invalid", "train.learning_rate=2e-4"),
        ("train.learning_rte=1", "config-invalid", "did you mean `learning_rate`? (--set)"),
        ("train.learning_rate=[1", "config-invalid", "`train.learning_rate` = '[1'"),
        ("seed.x=1", "set-invalid", "`seed` is set to 11, which is not a section"),
        ("train.lora.r=many", "config-invalid", "`train.lora.r` = 'many'"),
        ("data.rows=!!python/object/apply:os.system [id]", "source-not-found", "is not there"),
    ],
)
def test_an_assignment_that_cannot_be_used_is_told(
    make_project: Callable[..., Path], refused: Callable[..., str], text: str, code: str, words: str
) -> None:
    assert words in refused(code, "run", "-C", make_project(), "--set", text)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--until", "trian"], "use `train`"), (["--from", "evalaute"], "use `evaluate`"),
        (["--until", "deploy"], "its verbs are prepare, plan, select, train, evaluate"),
    ],
)  # fmt: skip
def test_a_phase_that_the_recipe_lacks_is_told_with_the_nearest(
    make_project: Callable[..., Path], refused: Callable[..., str], arguments: list[str], words: str
) -> None:
    project = make_project(recipe="sft")
    assert words in refused("verb-unknown", "run", "-C", project, *arguments)
    assert not (project / ".tunesmith").exists()


@pytest.mark.parametrize(("word", "near"), [("trian", "train"), ("raport", "report")])
def test_an_unknown_command_is_told_with_the_nearest(
    tunesmith_command: Callable[..., Any], word: str, near: str
) -> None:
    ended = tunesmith_command(word)
    assert (ended.code, ended.out) == (2, "")
    assert f"did you mean `tunesmith {near}`?" in ended.err


def test_an_accepted_gate_without_a_reason_is_refused(
    make_project: Callable[..., Path], refused: Callable[..., str]
) -> None:
    told = refused("accept-without-reason", "run", "-C", make_project(), "--accept", "retention")
    assert "--because" in told


def test_a_folder_without_a_project_is_told_with_the_command_that_makes_one(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    assert "tunesmith init NAME" in refused("project-missing", "run", "-C", tmp_path)


def test_a_section_that_the_recipe_needs_is_named(
    make_project: Callable[..., Path], refused: Callable[..., str]
) -> None:
    told = refused("section-missing", "run", "-C", make_project(recipe="dpo"))
    assert "`preferences:`" in told


@pytest.mark.parametrize(
    "sections", [{"data": {"rows": "visit.jsonl"}}, {"general": {"rows": "generals.jsonl"}}]
)
def test_a_file_that_is_not_there_is_told_with_the_nearest(
    make_project: Callable[..., Path], refused: Callable[..., str], sections: dict[str, Any]
) -> None:
    told = refused("source-not-found", "run", "-C", make_project(recipe="sft", **sections))
    assert "did you mean `" in told


def test_a_refusal_costs_less_than_a_second_of_computing(
    make_project: Callable[..., Path], tunesmith_command: Callable[..., Any]
) -> None:
    project = make_project(sead=1)
    before, started = os.times(), time.monotonic()
    tunesmith_command("run", "-C", project).refusal("config-invalid")
    after = os.times()
    used = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    assert used < 1.0, f"{used:.2f} s of computing, {time.monotonic() - started:.2f} s in all"
