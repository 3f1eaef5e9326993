"""Read ``tunesmith.yaml`` and ``--set``, and remember where each value came from."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel

from tunesmith.core.config import fields, parse
from tunesmith.core.errors import ConfigError
from tunesmith.recipes.aliases import ALIASES
from tunesmith.recipes.project import ProjectConfig

FILE_NAME = "tunesmith.yaml"
_DEEPEST: Final = 20
_LARGEST: Final = 20_000
"""Bounds of what a settings file says once its aliases are written out: a few lines of YAML can say
a thousand million values, or contain themselves."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A project's settings, where each was written, and what was told while reading them."""

    config: ProjectConfig
    origin: Mapping[str, str]
    """Dotted key -> "tunesmith.yaml:12" or "--set"; a key that is not here has its default."""
    notes: tuple[str, ...] = field(default=())


def load(folder: Path, assignments: Iterable[str] = ()) -> Settings:
    """Settings of the project in ``folder``, with ``key=value`` assignments laid over the file.

    Raises:
        ConfigError: when the file is missing or no YAML, or a setting cannot be used.

    """
    path = folder / FILE_NAME
    values, origin = _read_file(path)
    for assignment in assignments:
        key, value = _assignment(assignment)
        _put(values, key, value, where=f"--set {assignment!r}")
        origin = {k: v for k, v in origin.items() if not k.startswith(f"{key}.")}
        origin |= dict.fromkeys(_keys(key, value), "--set")
    notes = _rename(values, origin)
    return Settings(parse(ProjectConfig, values, source=str(path), origin=origin), origin, notes)


def run_yaml(settings: Settings) -> str:
    """Every resolved setting with where it came from, as YAML that can be run again."""
    lines = ["# Every setting of this run; the comment says where its value came from."]
    lines += _lines(settings.config, settings.origin, "", 0)
    return "\n".join(lines) + "\n"


def provenance(settings: Settings) -> dict[str, str]:
    """Where the value of every setting came from, by dotted key."""
    return {key: source_of(key, settings.origin) for key, _, _ in fields(ProjectConfig)}


def source_of(key: str, origin: Mapping[str, str]) -> str:
    """Where a dotted key was set: its own place, that of a section set as a whole, or ``default``."""
    above = key
    while above not in origin:
        above = above.rpartition(".")[0]
        if not above:
            return "default"
    # A section of which other settings were written says nothing about this one.
    is_opened = above != key and any(other.startswith(f"{above}.") for other in origin)
    return "default" if is_opened else origin[above]


def _read_file(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"there is no {FILE_NAME} in {path.parent}",
            why="a project is a folder with that file",
            fix="tunesmith init NAME makes one; or name the folder: tunesmith run --project FOLDER",
            code="project-missing",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, str(error)) from None
    try:
        # Before the values are made: merging a few lines that name each other may never end.
        origin = _lines_of(yaml.compose(text, Loader=yaml.SafeLoader), path)
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        raise _unreadable(path, f"{error.problem}{line}") from None
    except (yaml.YAMLError, ValueError) as error:  # such as a date in a thirteenth month
        raise _unreadable(path, str(error)) from None
    except RecursionError:
        raise _unreadable(path, f"it is nested deeper than {_DEEPEST} levels") from None
    if not isinstance(values, dict):
        raise _unreadable(path, "the file must hold `key: value` lines")
    return values, origin


def _lines_of(node: Any, path: Path) -> dict[str, str]:
    """Dotted key -> "tunesmith.yaml:12", items of lists counted from 0."""
    origin: dict[str, str] = {}
    waiting = [("", node, 0)] if node is not None else []
    seen = 0
    while waiting:
        prefix, inside, depth = waiting.pop()
        for key, key_node, value_node in _entries(inside):
            line, key = key_node.start_mark.line + 1, f"{prefix}{key}"
            seen += 1
            if key in origin:
                raise _unreadable(path, f"`{key}` stands twice, the second time in line {line}")
            if depth >= _DEEPEST or seen > _LARGEST:
                raise _unreadable(path, f"from line {line} on it holds more than {_LARGEST:,} values, "
                                  f"or more than {_DEEPEST} levels")  # fmt: skip
            origin[key] = f"{path.name}:{line}"
            waiting.append((f"{key}.", value_node, depth + 1))
    return origin


def _entries(node: Any) -> list[tuple[str, Any, Any]]:
    """(key, where it stands, value) of a mapping or, with its position as the key, of a list."""
    if isinstance(node, yaml.MappingNode):
        return [(str(key.value), key, value) for key, value in node.value]
    if isinstance(node, yaml.SequenceNode):
        return [(str(i), item, item) for i, item in enumerate(node.value)]
    return []


def _assignment(text: str) -> tuple[str, object]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(
            f"--set {text!r} is not KEY=VALUE",
            why="a setting is changed by its dotted name",
            fix="for example: --set train.learning_rate=2e-4",
            code="set-invalid",
        )
    try:
        parsed = yaml.safe_load(value) if value else None
    except (yaml.YAMLError, ValueError, RecursionError):
        return key.strip(), value
    # "{column}" is a template here, and a mapping without values to YAML
    is_template = isinstance(parsed, dict) and all(each is None for each in parsed.values())
    return key.strip(), value if is_template and parsed else parsed


def _keys(key: str, value: object) -> list[str]:
    """``key`` and the dotted keys of everything that its value sets."""
    if not isinstance(value, dict):
        return [key]
    return [key, *(below for name, each in value.items() for below in _keys(f"{key}.{name}", each))]


def _put(values: dict[str, Any], key: str, value: object, *, where: str) -> None:
    """Set a dotted key, making the sections on its way; ``where`` is told when one is no section."""
    *sections, last = key.split(".")
    for depth, section in enumerate(sections):
        inner = values.get(section)
        if inner is None:
            inner = values[section] = {}
        if not isinstance(inner, dict):
            above = ".".join(sections[: depth + 1])
            raise ConfigError(
                f"{where}: `{key}` cannot be set",
                why=f"`{above}` is set to {reprlib.repr(inner)}, which is not a section",
                fix=f"set `{above}` as a whole, or take its value out of {FILE_NAME}",
                code="set-invalid",
            )
        values = inner
    values[last] = value


def _rename(values: dict[str, Any], origin: dict[str, str]) -> tuple[str, ...]:
    """Move other tools' spellings to ours, in place; one sentence for each."""
    notes = []
    written: dict[str, str] = {}
    for theirs, ours in ALIASES.items():
        found, value = _take(values, theirs)
        if not found:
            continue
        where = origin.pop(theirs, "")
        if _take(values, ours, remove=False)[0]:
            other = written.get(ours, ours)
            raise ConfigError(
                f"`{theirs}` ({where}) and `{other}` ({source_of(ours, origin)}) are both set",
                why="they are two names of one setting",
                fix=f"keep `{ours}`",
                code="setting-twice",
            )
        _put(values, ours, value, where=f"`{theirs}` ({where})")
        written[ours], origin[ours] = theirs, where
        notes.append(f"{where}: `{theirs}` is read as `{ours}`")
    return tuple(notes)


def _take(values: dict[str, Any], key: str, *, remove: bool = True) -> tuple[bool, object]:
    *sections, last = key.split(".")
    for section in sections:
        inner = values.get(section)
        if not isinstance(inner, dict):
            return False, None
        values = inner
    if last not in values:
        return False, None
    return True, values.pop(last) if remove else values[last]


def _lines(config: BaseModel, origin: Mapping[str, str], prefix: str, depth: int) -> list[str]:
    lines = []
    for name in type(config).model_fields:
        value, key, indent = getattr(config, name), f"{prefix}{name}", "  " * depth
        if isinstance(value, BaseModel):
            lines.append(f"{indent}{name}:")
            lines += _lines(value, origin, f"{key}.", depth + 1)
        else:
            plain = config.model_dump(mode="json", include={name})[name]
            lines.append(f"{indent}{name}: {_inline(plain)}  # {source_of(key, origin)}")
    return lines


def _inline(value: object) -> str:
    """One line of YAML; text with line ends in double quotes, where they are written as escapes."""
    plain = _dumped(value, style=None)
    # YAML's line ends are those of Unicode: U+0085 breaks a line in a pair of single quotes
    return plain if len(plain.splitlines()) <= 1 else _dumped(value, style='"')


def _dumped(value: object, *, style: str | None) -> str:
    text: str = yaml.safe_dump(
        [value], default_flow_style=True, default_style=style, allow_unicode=True, width=10**6,
        sort_keys=False,
    )  # fmt: skip
    return text.strip("\n").removeprefix("[").removesuffix("]")


def _unreadable(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"{path} cannot be read as YAML",
        why=why,
        fix="correct the line that is named; `tunesmith init` writes a file to compare with",
        code="yaml-invalid",
    )
