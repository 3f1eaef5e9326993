"""The pages say what is true: links lead somewhere, files exist, commands are known."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    p for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
)  # fmt: skip
COMMAND = re.compile(r"^(?:\$ )?tunesmith ([a-z]+)", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target or target.startswith(("#", "mailto:")):
            continue
        assert (page.parent / target.partition("#")[0]).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_command_of_the_pages_exists(page: Path) -> None:
    from tunesmith.cli.main import COMMANDS

    for block in re.findall(
        r"```(?:sh|bash|console)?\n(.*?)```", page.read_text("utf-8"), re.DOTALL
    ):
        for name in COMMAND.findall(block):
            assert name in COMMANDS, f"{page.name} shows `tunesmith {name}`"


def test_architecture_lists_every_file_with_its_first_sentence() -> None:
    spec = importlib.util.spec_from_file_location("tree", ROOT / "docs" / "tree.py")
    assert spec is not None
    assert spec.loader is not None
    tree = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tree)
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert tree.page_with(text, tree.listing()) == text, "run: python docs/tree.py"
    listed = set(re.findall(r"`(src/tunesmith/[\w/]+\.py)`", text))
    there = {p.relative_to(ROOT).as_posix() for p in (ROOT / "src").rglob("*.py")}
    assert there <= listed, f"a room is missing in FLOORS of docs/tree.py: {there - listed}"
    assert all((ROOT / name).exists() for name in listed)


def test_paths_that_the_pages_name_exist() -> None:
    for page in PAGES:
        for name in re.findall(
            r"`((?:src|tests|docs|benchmarks|examples)/[\w./-]+)`", page.read_text("utf-8")
        ):
            assert (ROOT / name).exists(), f"{page.name} names {name}"


def test_both_readmes_have_the_same_sections_and_code() -> None:
    english = (ROOT / "README.md").read_text(encoding="utf-8")
    chinese = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")
    shape = re.compile(r"^(#+) |^```(\w*)", re.MULTILINE)
    assert shape.findall(english) == shape.findall(chinese)
    figures = re.compile(r"\d+\.\d{3}")
    assert sorted(figures.findall(english)) == sorted(figures.findall(chinese))
