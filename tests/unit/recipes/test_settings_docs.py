"""Every setting says what it means, and ``tunesmith show`` tells it."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel

from tunesmith.cli.main import status
from tunesmith.core.config import Config, Resources, section
from tunesmith.recipes.project import ProjectConfig
from tunesmith.report.settings_class import classes, describe

NAMES = sorted(classes())


def test_the_classes_of_every_section_are_found() -> None:
    sections = {section(field.annotation) for field in ProjectConfig.model_fields.values()} - {None}
    assert {kind.__name__ for kind in sections if kind} <= set(NAMES)
    assert {"ProjectConfig", "Resources", "TrainConfig", "LoraSettings"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_class_of_settings_is_closed_frozen_and_has_a_sentence(name: str) -> None:
    kind = classes()[name]
    assert issubclass(kind, Config | Resources)
    assert kind.model_config["extra"] == "forbid"
    assert kind.model_config["frozen"]
    first = (kind.__doc__ or "").splitlines()[0]
    assert first.endswith(".")
    assert len(first) <= 100


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_has_a_text_below_it(name: str) -> None:
    rows = describe(name)["fields"]
    assert [row["key"] for row in rows if not row["doc"]] == []
    assert rows


@pytest.mark.parametrize("name", NAMES)
def test_show_tells_every_setting_with_its_default(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(["show", name]) == 0
    told = capsys.readouterr().out
    for row in describe(name)["fields"]:
        assert row["key"] in told


def test_show_tells_settings_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["show", "TrainConfig", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    keys = {row["key"]: row for row in found["fields"]}
    assert keys["lora.r"]["type"] == "int"
    assert keys["method"]["default"] == "auto"


def test_a_class_that_is_not_there_is_told_with_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert status(["show", "TrainingConfig"]) == 2
    assert "tunesmith show TrainConfig" in capsys.readouterr().err


@pytest.mark.parametrize("name", NAMES)
def test_defaults_are_valid(name: str) -> None:
    kind: type[BaseModel] = classes()[name]
    needed = {key: "x" for key, field in kind.model_fields.items() if field.is_required()}
    if not needed:
        assert kind() == kind.model_validate(kind().model_dump(mode="json"))
