"""Nothing that a row, a file or a model wrote steers the terminal."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tunesmith.cli.console import console
from tunesmith.cli.terminal import harmless, json_text

HOSTILE = "\x1b]0;owned\x07\x1b[31mred\x9b2J\x7f\u202eback"


@given(st.text())
def test_harmless_text_has_no_control_characters_and_can_be_written(text: str) -> None:
    made = harmless(text)
    assert all(c in "\n\t" or (c.isprintable() or not 0x00 <= ord(c) < 0xA0) for c in made)
    made.encode("utf-8")
    assert harmless(made) == made


@pytest.mark.parametrize("text", ["plain", "line\nline\tcell", "你好, wörld 👩‍👩‍👧", ""])
def test_ordinary_text_is_left_as_it_is(text: str) -> None:
    assert harmless(text) == text


def test_a_line_end_of_windows_is_a_line_end() -> None:
    assert harmless("a\r\nb\rc") == "a\nb\u240dc"


def test_text_that_cannot_be_encoded_is_shown_as_a_mark() -> None:
    assert harmless("a\ud800b") == "a\ufffdb"


@given(st.text())
def test_json_for_the_terminal_is_the_same_json(text: str) -> None:
    made = json_text({"a": [text]})
    assert json.loads(made) == {"a": [text]}
    assert harmless(made) == made


def printed(*things: object) -> str:
    made = console()
    with made.capture() as capture:
        for thing in things:
            made.print(thing)
    return capture.get()


def test_hostile_text_reaches_the_terminal_as_marks_in_every_shape() -> None:
    table = Table("a")
    table.add_row(HOSTILE)
    panel = Panel(Text(HOSTILE), title=Text(HOSTILE))
    shown = printed(HOSTILE, Text(HOSTILE), panel, table)
    assert shown.count("owned") == 5
    assert harmless(shown) == shown


def test_our_own_colours_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert printed("[red]fine[/]") == "\x1b[31mfine\x1b[0m\n"
