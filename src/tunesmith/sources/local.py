"""A path on this machine: found, or refused with the nearest name; and what identifies its bytes."""

from __future__ import annotations

from pathlib import Path

from tunesmith.core.digest import of_file, of_value
from tunesmith.core.errors import DataError
from tunesmith.core.table import nearest


def locate(path: str, project: Path) -> Path:
    """The file or folder at ``path``; a relative one is read from the project's folder.

    Raises:
        DataError: when nothing is there, naming the nearest file beside it.

    """
    place = project / Path(path).expanduser()
    if place.exists():
        return place
    beside = [entry.name for entry in place.parent.iterdir()] if place.parent.is_dir() else []
    near = nearest(place.name, beside)
    hint = f"; did you mean `{Path(path).parent / near}`?" if near else ""
    raise DataError(
        f"{path} is not there",
        why=f"it was looked for at {place}{hint}",
        fix="correct the path, or put the file there",
        code="source-not-found",
    )


def fingerprint(place: Path) -> str:
    """SHA-256 of a file's bytes; of a folder, that of its sorted paths and their digests."""
    if place.is_file():
        return of_file(place)
    files = sorted(entry for entry in place.rglob("*") if entry.is_file())
    return of_value([[str(file.relative_to(place)), of_file(file)] for file in files])
