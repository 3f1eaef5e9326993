"""Project templates: folders below ``tunesmith/templates`` that ``tunesmith init`` copies."""

from __future__ import annotations

import shutil
from pathlib import Path

import tunesmith
from tunesmith.core.errors import ConfigError
from tunesmith.core.store import disk_error
from tunesmith.core.table import nearest


def names() -> list[str]:
    """Every template, in order."""
    return sorted(path.parent.name for path in _root().glob("*/tunesmith.yaml"))


def write(folder: Path, template: str) -> Path:
    """Copy a template into ``folder``, made if need be; the path of its tunesmith.yaml.

    Raises:
        ConfigError: for an unknown template, or a folder that already holds one of its files.

    """
    if template not in names():
        near = nearest(template, names())
        raise ConfigError(
            f"there is no template {template!r}",
            why=f"the templates are {', '.join(names())}",
            fix=f"tunesmith init NAME --template {near or 'clinical-notes'}",
            code="template-unknown",
        )
    source = _root() / template
    files = [path for path in sorted(source.rglob("*")) if path.is_file()]
    _refuse_taken(folder, [path.relative_to(source) for path in files])
    try:
        for path in files:
            target = folder / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    except OSError as error:
        raise disk_error(error, folder) from error
    return folder / "tunesmith.yaml"


def _refuse_taken(folder: Path, files: list[Path]) -> None:
    taken = [str(name) for name in files if (folder / name).exists()]
    if taken or folder.is_file():
        raise ConfigError(
            f"{folder} already holds {', '.join(taken) if taken else 'a file of that name'}",
            why="init never writes over a file",
            fix="choose another name, or remove the file yourself",
            code="project-exists",
        )


def _root() -> Path:
    return Path(tunesmith.__file__).parent / "templates"
