"""Typed artefacts: what a stage reads (published, with a digest) and writes (a draft, without one).

An artefact is a folder. Its kind is a class with a name, a format version and a docstring that
says what the folder holds; `Artifact[Kind]` and `Draft[Kind]` carry the kind in their type, so
mypy and the graph both refuse to join what does not fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar


class Kind(Protocol):
    """A kind of artefact: the name in manifests, and the version of the folder's format."""

    name: ClassVar[str]
    version: ClassVar[int]


K = TypeVar("K", bound=Kind)


# No slots in these two: ``Draft[Rows](path)`` sets an attribute, which Python 3.11 to 3.13 refuse
# with a TypeError for a generic class that is frozen and has slots.
@dataclass(frozen=True)
class Artifact(Generic[K]):
    """A published artefact: immutable, named by the SHA-256 of its manifest."""

    digest: str
    path: Path


@dataclass(frozen=True)
class Draft(Generic[K]):
    """A folder that a stage has written and nobody has published: it has no digest yet."""

    path: Path
