"""Every error code has a page, every page an error; a page says what it means and how to fix it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "errors"


def codes_in(path: Path) -> Iterator[str]:
    """Values of ``code="..."`` arguments, of "code" keys, and of ``code`` parameters' defaults."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == "code":
            yield from _texts(node.value)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "code":
                    yield from _texts(value)
        elif isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "code" for target in node.targets
        ):
            yield from _texts(node.value)


def _texts(value: ast.expr) -> Iterator[str]:
    """Constant texts of an expression such as ``"a" if x else "b"``."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif isinstance(value, ast.IfExp):
        yield from _texts(value.body)
        yield from _texts(value.orelse)


def all_codes() -> set[str]:
    # Codes of HTTP answers are OpenAI's, not ours: they live in serve/http*.py with underscores.
    found = {code for path in (ROOT / "src").rglob("*.py") for code in codes_in(path)}
    return {code for code in found if "_" not in code}


def all_pages() -> set[str]:
    return {path.stem for path in PAGES.glob("*.md") if path.stem != "README"}


def test_every_error_code_has_a_page() -> None:
    assert sorted(all_codes() - all_pages()) == [], "write docs/errors/CODE.md for each"


def test_every_page_is_about_a_code_in_use() -> None:
    assert sorted(all_pages() - all_codes()) == [], "no code in src has this name any more"


@pytest.mark.parametrize("name", sorted(all_pages()))
def test_the_page_is_headed_by_its_code_and_says_how_to_fix_it(name: str) -> None:
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {name}\n"), f"the first line of {name}.md must be `# {name}`"
    assert "fix" in text.lower(), f"{name}.md must say how to fix it"
    assert len(text.split()) >= 20, f"{name}.md is too short to help"
