"""What ``tunesmith show TrainConfig`` tells: every setting with its type, default and meaning."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from tunesmith.core.config import fields, section
from tunesmith.core.errors import ConfigError
from tunesmith.core.table import nearest
from tunesmith.recipes.project import ProjectConfig


def describe(name: str) -> dict[str, Any]:
    """The settings class called ``name``, in any case: {name, doc, fields: [{key, type, default, doc}]}.

    Raises:
        ConfigError: when no class has that name.

    """
    known = classes()
    found = next(
        (kind for known_name, kind in known.items() if known_name.lower() == name.lower()), None
    )
    if found is None:
        near = nearest(name, known)
        raise ConfigError(
            f"there are no settings called {name!r}",
            why=f"the classes of settings are {', '.join(known)}",
            fix=f"tunesmith show {near}" if near else "name one of them",
            code="settings-unknown",
        )
    meanings = dict(_meanings(found))
    rows = [
        {"key": key, "type": kind, "default": default, "doc": meanings.get(key, "")}
        for key, kind, default in fields(found)
    ]
    return {"name": found.__name__, "doc": inspect.getdoc(found) or "", "fields": rows}


def classes() -> dict[str, type[BaseModel]]:
    """Every class of settings that a project can hold, by name, ``ProjectConfig`` first."""
    found: dict[str, type[BaseModel]] = {}

    def visit(kind: type[BaseModel]) -> None:
        found.setdefault(kind.__name__, kind)
        for field in kind.model_fields.values():
            inner = section(field.annotation)
            if inner is not None and inner.__name__ not in found:
                visit(inner)

    visit(ProjectConfig)
    return found


def _meanings(kind: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(dotted key, the text below the field), sections opened."""
    own = _texts(kind)
    for name, field in kind.model_fields.items():
        inner = section(field.annotation)
        if inner is not None:
            yield from _meanings(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", own.get(name, "")


def _texts(kind: type[BaseModel]) -> dict[str, str]:
    """The string that stands below each field in the source; read when asked for, never on import."""
    try:
        source = textwrap.dedent(inspect.getsource(kind))
    except (OSError, TypeError):
        return {}
    body = ast.parse(source).body[0]
    assert isinstance(body, ast.ClassDef), f"the source of {kind.__name__} is a class"
    texts = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            texts[field.target.id] = " ".join(below.value.value.split())
    return texts
