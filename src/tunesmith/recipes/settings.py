"""Read ``tunesmith.yaml`` and ``--set``, and remember where each value came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from tunesmith.core.config import fields, parse
from tunesmith.core.errors import ConfigError
from tunesmith.recipes.aliases import ALIASES
from tunesmith.recipes.project import ProjectConfig

FILE_NAME = "tunesmith.yaml"


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
        _put(values, key, value)
        origin = {k: v for k, v in origin.items() if not k.startswith(f"{key}.")}
        origin[key] = "--set"
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
    """Where a dotted key was set: its own place, that of the section above it, or ``default``."""
    while key:
        if key in origin:
            return origin[key]
        key = key.rpartition(".")[0]
    return "default"


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
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _unreadable(path, str(error)) from None
    if not isinstance(values, dict):
        raise _unreadable(path, "the file must hold `key: value` lines")
    origin: dict[str, str] = {}
    _note_lines(node, "", path.name, origin)
    return values, origin


def _note_lines(node: Any, prefix: str, name: str, origin: dict[str, str]) -> None:
    if not isinstance(node, yaml.MappingNode):
        return
    for key_node, value_node in node.value:
        key = f"{prefix}{key_node.value}"
        if key in origin:
            raise _unreadable(Path(name), f"`{key}` stands twice, the second time in line "
                              f"{key_node.start_mark.line + 1}")  # fmt: skip
        origin[key] = f"{name}:{key_node.start_mark.line + 1}"
        _note_lines(value_node, f"{key}.", name, origin)


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
    except yaml.YAMLError:
        return key.strip(), value
    # "{column}" is a template here, and a mapping without values to YAML
    is_template = isinstance(parsed, dict) and all(each is None for each in parsed.values())
    return key.strip(), value if is_template and parsed else parsed


def _put(values: dict[str, Any], key: str, value: object) -> None:
    *sections, last = key.split(".")
    for section in sections:
        inner = values.get(section)
        if not isinstance(inner, dict):
            inner = values[section] = {}
        values = inner
    values[last] = value


def _rename(values: dict[str, Any], origin: dict[str, str]) -> tuple[str, ...]:
    """Move other tools' spellings to ours, in place; one sentence for each."""
    notes = []
    for theirs, ours in ALIASES.items():
        found, value = _take(values, theirs)
        if not found:
            continue
        if _take(values, ours, remove=False)[0]:
            raise ConfigError(
                f"`{theirs}` and `{ours}` are both set",
                why="they are two names of one setting",
                fix=f"keep `{ours}`",
                code="setting-twice",
            )
        _put(values, ours, value)
        where = origin.pop(theirs, "")
        origin[ours] = where
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
            shown = yaml.safe_dump(
                {name: plain},
                default_flow_style=True,
                allow_unicode=True,
                width=10**6,
                sort_keys=False,
            )
            shown = shown.strip().removeprefix("{").removesuffix("}")
            lines.append(f"{indent}{shown}  # {source_of(key, origin)}")
    return lines


def _unreadable(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"{path} cannot be read as YAML",
        why=why,
        fix="correct the line that is named; `tunesmith init` writes a file to compare with",
        code="yaml-invalid",
    )
