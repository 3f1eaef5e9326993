"""Templates fill turns from columns and reach nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.errors import ConfigError, DataError
from tunesmith.records.columns import compile_template
from tunesmith.records.turns import Refusal

KNOWN = ["dialogue", "section_header", "n"]


def fill(template: str, values: dict[str, object], **how: bool) -> object:
    return compile_template(template, KNOWN, setting="columns.prompt", file="a.csv", **how)(values)


def test_columns_stand_between_braces() -> None:
    values = {"dialogue": "Doctor: Hi.", "section_header": "PLAN", "n": 3}
    assert fill("Write the {section_header} ({n}): {dialogue} {{ok}}", values) == (
        "Write the PLAN (3): Doctor: Hi. {ok}"
    )


def test_text_without_braces_names_a_column_unless_it_is_fixed() -> None:
    assert fill("dialogue", {"dialogue": "x"}) == "x"
    assert fill("Be brief.", {}, is_fixed=True) == "Be brief."
    with pytest.raises(DataError, match="no column `dialog`"):
        fill("dialog", {})


@given(st.text(max_size=30))
def test_a_cell_is_never_read_as_a_template(cell: str) -> None:
    assert fill("<{dialogue}>", {"dialogue": cell}) == f"<{cell}>"


@pytest.mark.parametrize(
    "template",
    ["{dialogue.__class__}", "{dialogue[0]}", "{dialogue.__init__.__globals__}", "{dialog}"],
)
def test_only_a_columns_own_name_is_looked_up(template: str) -> None:
    with pytest.raises(DataError) as caught:
        fill(template, {"dialogue": "x"})
    assert caught.value.code == "column-missing"


@pytest.mark.parametrize("template", ["{dialogue!r}", "{dialogue:>9}", "{}", "{dialogue", "a } b"])
def test_anything_else_between_braces_is_refused(template: str) -> None:
    with pytest.raises(ConfigError) as caught:
        fill(template, {"dialogue": "x"})
    assert caught.value.code == "template-invalid"


def test_a_row_without_the_column_is_refused_and_not_the_file() -> None:
    assert fill("{dialogue}", {"n": 1}) == Refusal("missing column dialogue")
    assert fill("[{dialogue}]", {"dialogue": None}) == "[]"
