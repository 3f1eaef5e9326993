"""Settings of a project: read, renamed, laid over by --set, and written out so that they run again."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from tunesmith.core.config import fields
from tunesmith.core.errors import ConfigError
from tunesmith.recipes.aliases import ALIASES
from tunesmith.recipes.project import ProjectConfig
from tunesmith.recipes.settings import Settings, load, provenance, run_yaml, source_of

SMALL = """\
name: notes
model:
  model: base
data:
  rows: visits.jsonl
train:
  num_train_epochs: 2
  lora:
    r: 4
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def read(folder: Path, text: str = SMALL, *assignments: str) -> Settings:
    (folder / "tunesmith.yaml").write_text(text, encoding="utf-8")
    return load(folder, assignments)


def refused(folder: Path, text: str, *assignments: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read(folder, text, *assignments)
    return caught.value


# where a value came from


def test_a_value_is_traced_to_its_line_to_set_or_to_the_default(folder: Path) -> None:
    found = provenance(read(folder, SMALL, "train.learning_rate=2e-4"))
    assert found["train.lora.r"] == "tunesmith.yaml:9"
    assert found["train.learning_rate"] == "--set"
    assert found["train.method"] == "default"


def test_every_setting_has_an_origin(folder: Path) -> None:
    found = provenance(read(folder))
    assert set(found) == {key for key, _, _ in fields(ProjectConfig)}


def test_a_value_set_anew_forgets_the_lines_of_what_it_replaced(folder: Path) -> None:
    loaded = read(folder, SMALL, "train={num_train_epochs: 3}")
    assert loaded.config.train.lora.r != 4
    found = provenance(loaded)
    assert (found["train.num_train_epochs"], found["train.lora.r"]) == ("--set", "default")


def test_a_setting_inside_a_list_is_traced_to_its_line(folder: Path) -> None:
    text = SMALL + "gates:\n  criteria:\n    - metric: rouge1\n      at_lest: 0.5\n"
    error = refused(folder, text)
    assert "`gates.criteria.0.at_lest` is not a setting" in error.why
    assert error.why.endswith("(tunesmith.yaml:13)")


@pytest.mark.parametrize(
    ("origin", "found"),
    [
        ({"a": "x:1"}, "x:1"), ({"a": "x:1", "a.b": "x:2"}, "x:2"), ({"b": "x:1"}, "default"),
        ({"a": "x:1", "a.d": "x:2"}, "default"), ({"a": "x:1", "a.b.c": "x:2"}, "x:2"), ({}, "default"),
    ],
)  # fmt: skip
def test_a_section_set_as_a_whole_is_the_origin_of_what_is_in_it(
    origin: dict[str, str], found: str
) -> None:
    assert source_of("a.b.c", origin) == found


def test_what_is_written_out_is_read_back_the_same(folder: Path) -> None:
    text = (
        SMALL
        + 'language: zh\nprepare:\n  split: {train: 0.5, valid: 0.25, test: 0.25, salt: "#: x"}\n'
    )
    loaded = read(folder, text, "data.columns={prompt: 'a: {visit}\n#', completion: '{note}'}")
    again = read(folder, run_yaml(loaded))
    assert again.config == loaded.config
    assert again.notes == ()


@hypothesis.settings(max_examples=30)
@example("\x85", [0])
@example("a\nb\u2028c\u2029", [0])
@given(st.text(), st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True))
def test_any_text_is_written_on_one_line_and_read_back(text: str, shots: list[int]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        loaded = read(
            folder,
            "model: {model: base}\n" + yaml.safe_dump({"name": text, "plan": {"shots": shots}}),
        )
        written = run_yaml(loaded)
        assert len(written.splitlines()) == len(
            run_yaml(read(folder, "model: {model: base}\n")).splitlines()
        )
        assert read(folder, written).config == loaded.config


def test_what_is_written_out_says_where_each_value_came_from(folder: Path) -> None:
    lines = run_yaml(read(folder, SMALL, "seed=5")).splitlines()
    assert "seed: 5  # --set" in lines
    assert "    r: 4  # tunesmith.yaml:9" in lines
    assert "recipe: lifecycle  # default" in lines


# laid over by --set


@pytest.mark.parametrize(
    ("assignment", "value"),
    [("2e-4", 2e-4), ("0.0002", 2e-4), ("'5e-4'", 5e-4), ("auto", "auto")],
)
def test_a_learning_rate_may_be_text_or_a_number(
    folder: Path, assignment: str, value: float | str
) -> None:
    loaded = read(folder, SMALL, f"train.learning_rate={assignment}")
    assert loaded.config.train.learning_rate == value


def test_the_last_assignment_wins(folder: Path) -> None:
    assert read(folder, SMALL, "seed=1", "seed=2").config.seed == 2


def test_an_assignment_makes_the_sections_on_its_way(folder: Path) -> None:
    loaded = read(folder, "model: {model: base}\nrenew:\n", "renew.rows.rows=later.jsonl")
    assert loaded.config.renew.rows is not None


def test_nothing_after_the_sign_takes_an_optional_setting_away(folder: Path) -> None:
    assert read(folder, SMALL, "data=").config.data is None


@pytest.mark.parametrize("text", ["nonsense", "=3", " =3", ""])
def test_an_assignment_without_key_or_sign_is_refused(folder: Path, text: str) -> None:
    error = refused(folder, SMALL, text)
    assert error.code == "set-invalid"
    assert repr(text) in error.what


@pytest.mark.parametrize(
    ("assignment", "above"),
    [("seed.x=1", "seed"), ("name.first.x=1", "name"), ("plan.shots.0=3", "plan.shots")],
)
def test_an_assignment_below_a_plain_value_is_refused(
    folder: Path, assignment: str, above: str
) -> None:
    error = refused(folder, SMALL + "seed: 3\nplan: {shots: [0]}\n", assignment)
    assert error.code == "set-invalid"
    assert f"`{above}` is set to" in error.why


@pytest.mark.parametrize(
    "value", ["[1", "{", "2024-13-45", "[" * 4000, "1" * 5000, "!!python/name:os"]
)
def test_text_that_is_no_yaml_is_taken_as_text_and_refused_by_its_type(
    folder: Path, value: str
) -> None:
    error = refused(folder, SMALL, f"seed={value}")
    assert error.code == "config-invalid"
    assert "(--set)" in error.why


# other tools' spellings


@pytest.mark.parametrize("theirs", ALIASES)
def test_every_other_spelling_leads_to_a_setting_and_is_none_itself(theirs: str) -> None:
    known = {key for key, _, _ in fields(ProjectConfig)}
    assert ALIASES[theirs] in known
    assert theirs not in known


@pytest.mark.parametrize(
    ("theirs", "value"),
    [
        ("finetuning_type: lora", ("method", "lora")), ("cutoff_len: 300", ("max_length", 300)),
        ("lora_rank: 3", ("lora.r", 3)), ("lora_alpha: 7", ("lora.lora_alpha", 7)),
        ("lr: 1e-3", ("learning_rate", 1e-3)), ("epochs: 3", ("num_train_epochs", 3)),
    ],
)  # fmt: skip
def test_another_spelling_is_read_and_told_with_its_line(
    folder: Path, theirs: str, value: tuple[str, object]
) -> None:
    loaded = read(folder, f"model: {{model: base}}\ntrain:\n  {theirs}\n")
    found: Any = loaded.config.train
    for part in value[0].split("."):
        found = getattr(found, part)
    assert found == value[1]
    [note] = loaded.notes
    word = theirs.partition(":")[0]
    assert note == f"tunesmith.yaml:3: `train.{word}` is read as `train.{value[0]}`"
    assert provenance(loaded)[f"train.{value[0]}"] == "tunesmith.yaml:3"


@pytest.mark.parametrize(
    ("one", "other"), [("max_length: 9", "cutoff_len: 8"), ("lora_rank: 9", "lora_r: 8")]
)
def test_two_names_of_one_setting_are_refused_by_the_names_that_were_written(
    folder: Path, one: str, other: str
) -> None:
    error = refused(folder, f"model: {{model: base}}\ntrain:\n  {one}\n  {other}\n")
    assert error.code == "setting-twice"
    for line, text in ((3, one), (4, other)):
        assert f"`train.{text.partition(':')[0]}` (tunesmith.yaml:{line})" in error.what


def test_another_spelling_given_by_set_is_told(folder: Path) -> None:
    loaded = read(folder, SMALL, "train.cutoff_len=99")
    assert loaded.notes == ("--set: `train.cutoff_len` is read as `train.max_length`",)
    assert provenance(loaded)["train.max_length"] == "--set"


# files that are no settings


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SMALL + "seed: 1\nseed: 2\n", "`seed` stands twice, the second time in line 11"),
        (SMALL + "prepare:\n  length: {answer_at_least: 1, answer_at_least: 2}\n", "`prepare.length.answer_at_least`"),
        (SMALL + "gates:\n  criteria:\n    - {metric: a, metric: b}\n", "`gates.criteria.0.metric` stands twice"),
        ("", "must hold"), ("- a\n- b\n", "must hold"), ("hello", "must hold"),
        (SMALL + "a: b: c\n", "(line 10)"), (SMALL + "\tname: x\n", "(line 10)"),
        ("seed: !!python/object/apply:os.system [id]\n", "constructor"),
        ("seed: 2024-13-45\n", "month"),
        (f"seed: {'1' * 5000}\n", "digits"),
        ("x: " + "[" * 3000 + "]" * 3000, "nested deeper"),
        (SMALL + "x: &x {y: *x}\n", "more than 20 levels"),
        (SMALL + "x: &x [*x]\n", "more than 20 levels"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_settings_is_told_with_its_line(
    folder: Path, text: str, words: str
) -> None:
    error = refused(folder, text)
    assert error.code == "yaml-invalid"
    assert words in error.why


@pytest.mark.parametrize("merge", [True, False])
def test_a_few_lines_that_say_a_thousand_million_values_are_refused_at_once(
    folder: Path, merge: bool
) -> None:
    lines = ["a0: &a0 {x: 1}"]
    for i in range(1, 12):
        inside = ", ".join([f"*a{i - 1}"] * 9)
        lines.append(f"a{i}: &a{i} " + (f"{{<<: [{inside}]}}" if merge else f"[{inside}]"))
    started = time.process_time()
    assert "20,000 values" in refused(folder, SMALL + "\n".join(lines)).why
    assert time.process_time() - started < 2.0


def test_a_value_used_twice_by_an_alias_is_no_fault(folder: Path) -> None:
    text = SMALL + "general: &g {rows: a.jsonl}\nrenew:\n  rows: *g\n"
    assert read(folder, text).config.renew.rows == read(folder, text).config.general


def test_bytes_that_are_no_text_are_told(folder: Path) -> None:
    (folder / "tunesmith.yaml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(ConfigError, match="utf-8"):
        load(folder)


def test_a_byte_order_mark_is_no_part_of_the_first_key(folder: Path) -> None:
    (folder / "tunesmith.yaml").write_bytes(b"\xef\xbb\xbf" + SMALL.encode())
    assert load(folder).config.name == "notes"


def test_a_folder_without_the_file_is_told(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(folder)
    assert caught.value.code == "project-missing"
    assert "tunesmith init" in caught.value.fix


def test_the_written_settings_of_any_project_are_yaml(folder: Path) -> None:
    values = yaml.safe_load(run_yaml(read(folder)))
    assert values["model"]["model"] == "base"
    assert set(values) == set(ProjectConfig.model_fields)
