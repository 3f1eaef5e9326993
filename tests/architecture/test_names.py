"""Names and sizes of the house style: no rooms for odds and ends, modules and functions that fit a page."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "tunesmith"
MODULES = sorted(SOURCE.rglob("*.py"))
NAMELESS = {
    "utils",
    "util",
    "common",
    "helpers",
    "helper",
    "misc",
    "manager",
    "managers",
    "shared",
    "tools",
}
MOST_LINES = 400
MOST_FUNCTION_LINES = 60
MOST_ARGUMENTS = 8


def ids(path: Path) -> str:
    return str(path.relative_to(SOURCE))


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_a_module_is_named_for_what_it_holds(path: Path) -> None:
    for part in path.relative_to(SOURCE).with_suffix("").parts:
        words = set(part.split("_"))
        assert not words & NAMELESS, f"{path}: {part!r} is missing a name"
        assert not part.startswith("base_"), f"{path}: no base classes"


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_a_module_fits_its_size(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MOST_LINES, f"{path} has {lines} lines: find the missing name"


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_a_function_fits_its_size(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= MOST_FUNCTION_LINES, (
                f"{path}:{node.lineno} {node.name} has {lines} lines"
            )
            given = node.args
            count = len(given.posonlyargs) + len(given.args) + len(given.kwonlyargs)
            assert count <= MOST_ARGUMENTS, (
                f"{path}:{node.lineno} {node.name} has {count} arguments"
            )


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_a_module_says_what_it_is(path: Path) -> None:
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert doc, f"{path}: the first line says what the module holds"
    assert len(doc.splitlines()[0]) <= 120, (
        f"{path}: the first line of a docstring is one short sentence"
    )


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_no_promise_is_left_in_the_code(path: Path) -> None:
    marks = [m for m in ("TO" + "DO", "FIX" + "ME", "X" + "XX") if m in path.read_text("utf-8")]
    assert not marks, f"{path}: {marks}: do it, or open an issue"
