from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.backends.schedule import Place
from tunesmith.core.errors import ConfigError
from tunesmith.report.settings_class import classes, describe
from tunesmith.report.show import pieces, show


def decode(ids: list[int]) -> str:
    """A tokenizer whose tokens are bytes: the hardest case for Chinese."""
    return bytes(ids).decode("utf-8", errors="replace")


@given(st.text())
def test_pieces_of_a_row_are_its_text(text: str) -> None:
    ids = list(text.encode())
    found = pieces(ids, [True] * len(ids), decode)
    assert "".join(piece for piece, _ in found) == text


def test_a_character_of_several_tokens_is_shown_as_one_piece() -> None:
    ids = list("a疼b".encode())
    assert pieces(ids, [False] * 4 + [True], decode) == [("a", False), ("疼", False), ("b", True)]


def test_a_piece_never_joins_a_label_with_what_is_not_learnt() -> None:
    ids = list("疼".encode())
    assert [is_label for _, is_label in pieces(ids, [False, True, True], decode)] == [False, True]


def test_every_setting_of_every_class_is_told_with_its_type_and_default() -> None:
    for name in classes():
        for field in describe(name)["fields"]:
            assert field["type"], f"{name}.{field['key']}"


def test_the_text_below_a_field_is_its_meaning() -> None:
    found = {field["key"]: field for field in describe("evaluateconfig")["fields"]}
    assert found["shots"]["doc"].startswith("Numbers of examples in the prompt")


def test_unknown_settings_are_told_the_nearest_class(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        show(Place(tmp_path, tmp_path), "TrainConfg")
    assert caught.value.fix == "tunesmith show TrainConfig"


def test_a_project_without_runs_says_what_can_be_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        show(Place(tmp_path, tmp_path))
    assert caught.value.code == "run-missing"
