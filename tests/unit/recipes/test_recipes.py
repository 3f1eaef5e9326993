"""Every combination of a project's optional sections gives a pipeline whose parts fit."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from tunesmith.cli.main import COMMANDS
from tunesmith.core.config import parse
from tunesmith.core.errors import ConfigError
from tunesmith.core.graph import Pipeline, build
from tunesmith.core.table import resolve
from tunesmith.recipes import RECIPES
from tunesmith.recipes.project import ProjectConfig
from tunesmith.stages import table

OPTIONAL: dict[str, dict[str, Any]] = {
    "general": {"rows": "rows.jsonl"},
    "preferences": {"rows": "pairs.jsonl"},
    "renew": {"rows": {"rows": "rows.jsonl"}},
}
SECTIONS = [
    frozenset(chosen) for size in range(4) for chosen in itertools.combinations(OPTIONAL, size)
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("rows.jsonl", "pairs.jsonl", "model.gguf", "other.jsonl"):
        (tmp_path / name).write_text(name)
    return tmp_path


def project(sections: frozenset[str] = frozenset(), **more: Any) -> ProjectConfig:
    values = {"model": {"model": "model.gguf"}, "data": {"rows": "rows.jsonl"}}
    values |= {name: OPTIONAL[name] for name in sections}
    return parse(ProjectConfig, {**values, **more}, source="test")


def pipeline(recipe: str, config: ProjectConfig, folder: Path) -> Pipeline:
    steps: Any = resolve(RECIPES[recipe])
    return build(steps(config, folder), table(), seed=config.seed)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("sections", SECTIONS, ids=lambda s: "+".join(sorted(s)) or "none")
def test_every_combination_of_sections_gives_a_valid_pipeline(
    folder: Path, recipe: str, sections: frozenset[str]
) -> None:
    if recipe == "dpo" and "preferences" not in sections:
        with pytest.raises(ConfigError, match="section-missing"):
            pipeline(recipe, project(sections), folder)
        return
    names = {step.name for step in pipeline(recipe, project(sections), folder).steps}
    if recipe == "dpo":
        assert names == {"fetch", "preferences", "align"}
        return
    assert ("probe-tuned" in names) == ("general" in sections)
    whole = recipe == "lifecycle"
    assert ("align" in names) == (whole and "preferences" in sections)
    assert ("promote" in names) == (whole and "renew" in sections)
    assert ("compress" in names) == whole


@pytest.mark.parametrize("recipe", ["lifecycle", "sft"])
def test_a_recipe_without_data_says_which_section_is_missing(folder: Path, recipe: str) -> None:
    with pytest.raises(ConfigError) as caught:
        pipeline(recipe, project(data=None), folder)
    assert caught.value.code == "section-missing"
    assert "`data:`" in caught.value.fix


def test_every_phase_of_the_command_line_is_a_verb_of_the_whole_life(folder: Path) -> None:
    phases = {name for name, (_, where, _) in COMMANDS.items() if where.startswith("verbs:")}
    steps = pipeline("lifecycle", project(frozenset(OPTIONAL)), folder).steps
    found = {step.verb or step.stage for step in steps}
    assert phases <= found
    assert found - phases == {"serve"}, "the rehearsal of serving; its command serves"


def test_verbs_stand_together_and_in_the_order_of_a_life(folder: Path) -> None:
    steps = pipeline("lifecycle", project(frozenset(OPTIONAL)), folder).steps
    order = list(dict.fromkeys(step.verb or step.stage for step in steps))
    assert order == ["prepare", "plan", "select", "train", "evaluate", "align", "compress", "serve", "monitor", "renew"]  # fmt: skip


def key_parts(config: ProjectConfig, folder: Path) -> dict[str, object]:
    steps = pipeline("lifecycle", config, folder).steps
    return {step.name: (step.config.model_dump(), dict(step.inputs)) for step in steps}


def changed(folder: Path, **more: Any) -> set[str]:
    """Steps whose own settings differ when ``more`` is set."""
    sections = frozenset(OPTIONAL)
    before = key_parts(project(sections), folder)
    after = key_parts(project(sections, **more), folder)
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize(
    ("more", "steps"),
    [
        ({"resources": {"threads": 3, "micro_batch": 1, "generate_batch": 2, "device": "cpu"}}, set()),
        ({"name": "another"}, set()),
        ({"evaluate": {"max_new_tokens": 33}}, {"baseline", "evaluate", "evaluate-again"}),
        ({"plan": {"shots": [0]}}, {"baseline", "plan"}),
        ({"probe": {"general_rows": 3}}, {"probe-base", "probe-tuned"}),
        ({"gates": {"probe_criteria": []}}, {"gate"}),
        ({"align": {"beta": 0.3}}, {"align"}),
        ({"train": {"weight_decay": 0.1}}, {"train", "train-again"}),
        ({"train": {"lora": {"r": 5}}}, {"train", "train-again", "select"}),
        ({"renew": {"rows": {"rows": "rows.jsonl"}, "train": {"learning_rate": 1e-5}}}, {"train-again"}),
        ({"renew": {"rows": {"rows": "other.jsonl"}}}, {"later"}),
        ({"prepare": {"repair": {"enabled": False}}}, {"prepare", "prepare-later"}),
        ({"model": {"model": "other.jsonl"}}, {"fetch"}),
    ],
)  # fmt: skip
def test_a_setting_reaches_the_steps_that_it_is_about_and_no_other(
    folder: Path, more: dict[str, Any], steps: set[str]
) -> None:
    assert changed(folder, **more) == steps


def test_the_language_reaches_every_step_that_cuts_words(folder: Path) -> None:
    found = changed(folder, language="zh")
    assert {
        "prepare",
        "baseline",
        "evaluate",
        "probe-base",
        "probe-tuned",
        "prepare-later",
    } <= found


def test_a_changed_file_changes_the_step_that_reads_it(folder: Path) -> None:
    before = key_parts(project(), folder)
    (folder / "rows.jsonl").write_text("others")
    after = key_parts(project(), folder)
    assert {name for name in before if before[name] != after[name]} == {"collect"}


def test_the_later_round_is_judged_on_the_rows_of_the_first(folder: Path) -> None:
    found = pipeline("lifecycle", project(frozenset({"renew"})), folder)
    assert found.step("evaluate-again").inputs["rows"] == "prepare.test"
    assert found.step("prepare-later").inputs["against"] == ("prepare.test",)
    assert found.step("train-again").inputs["start"] == "train.tuned"


def test_what_is_shipped_is_the_aligned_model_when_there_are_preferences(folder: Path) -> None:
    for sections, tuned in (
        (frozenset({"preferences"}), "align.tuned"),
        (frozenset(), "train.tuned"),
    ):
        found = pipeline("lifecycle", project(sections), folder)
        assert {found.step(name).inputs["tuned"] for name in ("compress", "serve")} == {tuned}
