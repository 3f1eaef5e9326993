from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tunesmith.cli import main as door
from tunesmith.core.errors import DataError, GateFailed

LOADED = "print(*sorted(sys.modules), file=sys.stderr)"
HEAVY = {
    "torch",
    "numpy",
    "pydantic",
    "transformers",
    "rich",
    "yaml",
    "sqlite3",
    "jinja2",
    "pyarrow",
}


def modules_after(*arguments: str) -> set[str]:
    code = (
        f"import sys; from tunesmith.cli.main import status; status({list(arguments)!r}); {LOADED}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def commands() -> list[tuple[str, click.Command]]:
    context = click.Context(door.cli)
    found = [(name, door.cli.get_command(context, name)) for name in door.COMMANDS]
    return [(name, command) for name, command in found if command is not None]


def test_help_loads_no_command_and_nothing_heavy() -> None:
    loaded = modules_after("--help")
    assert {name for name in loaded if name.startswith("tunesmith.cli.")} == {"tunesmith.cli.main"}
    assert not loaded & HEAVY


@pytest.mark.parametrize(
    "name", ["run", "train", "init", "report", "explain", "show", "serve", "chat"]
)
def test_help_of_a_command_loads_nothing_heavy(name: str) -> None:
    assert not modules_after(name, "--help") & HEAVY


def test_every_name_in_the_table_is_a_command_of_that_name() -> None:
    assert [name for name, command in commands() if command.name == name] == list(door.COMMANDS)


@pytest.mark.parametrize(("name", "command"), commands())
def test_every_command_has_help_and_examples_of_itself(name: str, command: click.Command) -> None:
    text = command.get_help(click.Context(command, info_name=f"tunesmith {name}"))
    assert command.help
    assert "Examples:" in text
    assert f"tunesmith {name}" in text.split("Examples:")[1]


@pytest.mark.parametrize(("name", "command"), commands())
def test_every_option_has_help(name: str, command: click.Command) -> None:
    options = [p for p in command.params if isinstance(p, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_every_example_uses_options_that_exist() -> None:
    for name, command in commands():
        known = {flag for p in command.params for flag in p.opts} | {"--help"}
        for line in (command.epilog or "").splitlines():
            used = {word for word in line.split() if word.startswith("--")}
            assert used <= known, f"{name}: {line}"


def test_the_table_and_the_command_tell_the_same_kind_of_line() -> None:
    for heading, _, text in door.COMMANDS.values():
        assert text.endswith("."), heading
        assert len(text) <= 72


def test_an_unknown_command_is_told_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert door.status(["trian"]) == 2
    assert "did you mean `tunesmith train`?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DataError("row 3 is empty", why="a", fix="b", code="row-empty"), 2),
        (GateFailed("gate failed", why="a", fix="b", code="gate-failed"), 3),
        (KeyboardInterrupt(), 143),
        (click.Abort(), 143),
        (click.UsageError("no"), 2),
        (RuntimeError("boom"), 1),
    ],
)
def test_each_kind_of_end_has_its_exit_code(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(door.cli, "main", fail)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    assert door.status([]) == code


def test_a_fault_of_ours_is_one_line_and_a_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(door.cli, "main", fail)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    assert door.status([]) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "RuntimeError: boom" in told
    [log] = tmp_path.glob("tunesmith-*.log")
    assert "Traceback" in log.read_text()


def test_an_error_is_told_with_why_fix_and_where_to_read_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    door.tell(
        DataError("row 3 is empty", why="nothing to learn", fix="remove it", code="row-empty")
    )
    told = capsys.readouterr().err
    assert [line.strip().split(":")[0] for line in told.splitlines()] == [
        "error",
        "why",
        "fix",
        "see",
    ]
    assert "tunesmith explain row-empty" in told


def test_every_setting_in_an_example_exists() -> None:
    from tunesmith.core.config import fields
    from tunesmith.recipes.project import ProjectConfig

    known = {key for key, _, _ in fields(ProjectConfig)}
    for name, command in commands():
        words = (command.epilog or "").split()
        keys = {
            after.partition("=")[0] for word, after in itertools.pairwise(words) if word == "--set"
        }
        assert keys <= known, name
