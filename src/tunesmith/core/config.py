"""Closed, frozen settings, and errors that name the nearest right key.

`Config` holds what changes the result and is hashed into a step's key. `Resources` holds what
changes only the speed or the place and is never hashed; each of its fields has an invariance test.
"""

from __future__ import annotations

import reprlib
import types
import typing
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, TypeVar

from annotated_types import Ge
from pydantic import BaseModel, ConfigDict, ValidationError

from tunesmith.core.digest import of_value
from tunesmith.core.errors import ConfigError
from tunesmith.core.table import nearest


class Config(BaseModel):
    """Settings that change the result. Closed: an unknown key is refused. Frozen: never edited."""

    # Infinities and NaN have no canonical form, and NaN in a setting is always a mistake.
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=False, validate_default=True, allow_inf_nan=False
    )

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, in the order of the fields."""
        return self.model_dump(mode="json")

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical settings."""
        return of_value(self.as_dict())


class Resources(BaseModel):
    """Settings that change only speed or place. Never hashed."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where models run; ``auto`` takes a GPU when there is one."""
    threads: Annotated[int, Ge(0)] = 0
    """Threads for each process; 0 means as many as there are physical cores."""
    micro_batch: Annotated[int, Ge(0)] = 0
    """Rows in one forward pass when training; 0 means: from the memory plan."""
    generate_batch: Annotated[int, Ge(1)] = 8
    """Rows decoded together when evaluating."""
    workers: Annotated[int, Ge(0)] = 0
    """Processes for work on rows; 0 means: by the number of rows and of physical cores."""
    gpus: Annotated[int, Ge(0)] = 0
    """GPUs that one job may use; 0 means none are asked for."""


C = TypeVar("C", bound=BaseModel)


def parse(
    kind: type[C],
    values: Mapping[str, object],
    *,
    source: str,
    origin: Mapping[str, str] | None = None,
) -> C:
    """Settings of type ``kind`` from plain values; ``source`` is the file and section, for errors.

    ``origin`` says where a dotted key was written ("tunesmith.yaml:12"); errors repeat it.

    Raises:
        ConfigError: with one line for each bad key: unknown (and the nearest known one), of the
            wrong type, or out of range.

    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        lines = _sentences(kind, problems, origin or {})
        raise ConfigError(
            f"{source}: {len(lines)} setting(s) cannot be used",
            why="; ".join(lines),
            fix=f"correct the keys above; `tunesmith show {kind.__name__}` lists every setting",
            code="config-invalid",
        ) from None


def fields(kind: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, object]]:
    """(dotted key, type as text, default) for each setting of ``kind``, sections opened."""
    for name, field in kind.model_fields.items():
        inner = section(field.annotation)
        if inner is not None:
            yield from fields(inner, f"{prefix}{name}.")
        else:
            default = field.get_default(call_default_factory=True)
            shown = "required" if field.is_required() else default
            yield f"{prefix}{name}", _type_name(field.annotation), shown


def section(annotation: object) -> type[BaseModel] | None:
    """The settings type inside an annotation such as ``LoraConfig | None``; None for plain values."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        found = [section(part) for part in typing.get_args(annotation)]
        return next((part for part in found if part is not None), None)
    return None


def _sentences(
    kind: type[BaseModel], problems: Iterable[Mapping[str, Any]], origin: Mapping[str, str]
) -> list[str]:
    """One line for each key that cannot be used, with the place where it stands.

    A value that fits no member of a union is one problem, though pydantic names each member.
    """
    told: dict[str, list[str]] = {}
    for problem in problems:
        key = ".".join(str(part) for part in _path(kind, problem))
        told.setdefault(key, []).append(_sentence(kind, key, problem))
    return [
        " or ".join([first, *(line.rpartition(": input should be ")[2] for line in more)])
        + (f" ({origin[key]})" if key in origin else "")
        for key, (first, *more) in told.items()
    ]


def _path(kind: type[BaseModel], problem: Mapping[str, Any]) -> Iterator[object]:
    """The problem's place as it is written in a file: without the names of a union's members."""
    inside: object = kind
    for part in problem["loc"]:
        below = _below(inside, str(part))
        if below is not None or section(inside) is not None:
            yield part
        inside = inside if below is None else below


def _sentence(kind: type[BaseModel], key: str, problem: Mapping[str, Any]) -> str:
    if problem["type"] == "extra_forbidden":
        near = nearest(str(problem["loc"][-1]), _known(kind, problem["loc"][:-1]))
        hint = f"; did you mean `{near}`?" if near else ""
        return f"`{key}` is not a setting{hint}"
    if problem["type"] == "missing":
        return f"`{key}` is required"
    message = str(problem["msg"])
    message = message.removeprefix("Value error, ")
    message = f"{message[0].lower()}{message[1:]}"
    # A file may hold values that contain themselves: the plain repr of one would never end.
    return f"`{key}` = {reprlib.repr(problem['input'])}: {message}" if key else message


def _known(kind: type[BaseModel], path: tuple[object, ...]) -> list[str]:
    """Settings of the section at ``path``; empty when the path leaves the settings types."""
    inside: object = kind
    for part in path:
        inside = _below(inside, str(part))
    found = section(inside)
    return list(found.model_fields) if found else []


def _below(annotation: object, part: str) -> object:
    """The annotation of a section's setting, or of an item of a list or a mapping."""
    found = section(annotation)
    if found is not None:
        return found.model_fields[part].annotation if part in found.model_fields else None
    inner = [a for a in typing.get_args(annotation) if a not in (types.NoneType, ...)]
    holder = typing.get_origin(annotation)
    if isinstance(annotation, types.UnionType) or holder in (typing.Union, Annotated):
        return next((item for a in inner if (item := _below(a, part)) is not None), None)
    is_collection = isinstance(holder, type) and issubclass(holder, Collection)
    return inner[-1] if is_collection and inner else None


def _type_name(annotation: object) -> str:
    if isinstance(annotation, type):
        return annotation.__name__
    return str(annotation).replace("typing.", "").replace("NoneType", "None")
