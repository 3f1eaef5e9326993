"""Rows, names and settings that would steer a terminal or a browser are shown, not obeyed."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

ESCAPE = "\x1b]0;owned\x07\x1b[2J\x9b31m"
SCRIPT = "<script>alert('owned')</script><img src=x onerror=alert(1)>"
OURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""Colours and cursor moves, which Rich itself writes."""


@pytest.fixture
def project(make_project: Callable[..., Path]) -> Path:
    """Every row holds escape codes and a script; so do names that are told in errors and reports."""
    folder = make_project(recipe="sft")
    path = folder / "visits.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row["visit"] += f" {ESCAPE}{SCRIPT}"
        row["note"] += f" {ESCAPE}{SCRIPT}"
    rows[3]["note"] = ""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = (folder / "tunesmith.yaml").read_text()
    (folder / "tunesmith.yaml").write_text(
        text.replace("name: small", f"name: {json.dumps(SCRIPT)}")
    )
    return folder


def at_a_terminal(*arguments: str | Path) -> str:
    """What a command writes when its output is a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tunesmith", *map(str, arguments)],
        stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(theirs)
    written = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        written += piece
    os.close(ours)
    process.wait()
    return written.decode("utf-8")


def harmful(text: str) -> list[str]:
    """Control characters that are neither line ends nor part of our own colours."""
    rest = OURS.sub("", text)
    return [c for c in rest if c not in "\r\n\t" and (ord(c) < 32 or 0x7F <= ord(c) < 0xA0)]


def test_row_text_does_not_reach_the_terminal_raw(project: Path) -> None:
    run = at_a_terminal("prepare", "-C", project)
    assert "47 of 48 rows" in OURS.sub("", run)
    assert harmful(run) == []
    for what in ("collect.rows", "prepare.train"):
        shown = at_a_terminal("show", what, "-C", project)
        assert "owned" in shown
        assert harmful(shown) == []
        assert "\x1b[2J" not in shown
    as_json = at_a_terminal("show", "collect.rows", "--json", "-C", project)
    assert harmful(as_json) == []
    assert json.loads(as_json)["rows"][0]["messages"][1]["content"].endswith(ESCAPE + SCRIPT)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--set", f"data.columns.prompt={{{ESCAPE}}}"),
        ("--set", f"data.rows={ESCAPE}"),
        ("--set", f"{ESCAPE}=1"),
        ("--until", ESCAPE),
        (ESCAPE,),
    ],
)
def test_names_that_an_error_repeats_do_not_reach_the_terminal_raw(
    project: Path, arguments: tuple[str, ...]
) -> None:
    verb = [] if arguments[0] == "--until" else ["--until", "collect"]
    written = at_a_terminal("run", "-C", project, *verb, *arguments)
    assert "rror" in written
    assert harmful(written) == []
    assert "\x1b[2J" not in written


def test_a_file_name_does_not_reach_the_terminal_raw(project: Path) -> None:
    name = f"{ESCAPE}visits.jsonl"
    (project / "visits.jsonl").rename(project / name)
    written = at_a_terminal("prepare", "-C", project, "--set", f"data.rows={json.dumps(name)}")
    assert "47 of 48 rows" in OURS.sub("", written)
    assert harmful(written) == []
    assert "\x1b[2J" not in written


class Page(HTMLParser):
    """Tags of a page that could run or load something."""

    def __init__(self) -> None:
        super().__init__()
        self.active: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag in {"script", "iframe", "object"} or any(
            name.startswith("on") or name == "src" for name in named
        ):
            self.active.append((tag, named))


@pytest.mark.real
def test_row_text_is_text_in_the_report(
    project: Path, tunesmith_command: Callable[..., Any]
) -> None:
    ended = tunesmith_command("run", "-C", project, "--set", f"data.licence={json.dumps(SCRIPT)}")
    assert ended.code == 0, ended.err
    [page] = project.glob(".tunesmith/runs/*/report.html")
    text = page.read_text(encoding="utf-8")
    assert "&lt;script&gt;alert" in text, "a row is shown in the report"
    found = Page()
    found.feed(text)
    assert found.active == []
