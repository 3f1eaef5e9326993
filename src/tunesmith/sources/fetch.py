"""The one door of this room: any source becomes a local file or folder."""

from __future__ import annotations

from pathlib import Path

from tunesmith.sources import hf, https, local, pypi
from tunesmith.sources.uri import scheme_of


def fetch(uri: str, *, cache: Path, project: Path) -> Path:
    """The file or folder that ``uri`` names; downloaded into ``cache`` when it is not there yet.

    ``project`` is the folder from which relative paths are read. What is cached needs no network.

    Raises:
        ConfigError: when ``uri`` cannot be read as a source.
        DataError: when nothing is there, or the bytes are not the pinned ones.

    """
    match scheme_of(uri):
        case "local":
            return local.locate(uri, project)
        case "pypi":
            return pypi.fetch(uri, cache)
        case "hf":
            return hf.fetch(uri, cache)
        case "https":
            return https.fetch(uri, cache)


def fingerprint(uri: str, *, project: Path) -> str:
    """What identifies the bytes behind ``uri`` without fetching them.

    A local path gives its SHA-256, so a changed file is a changed input. Other sources give
    themselves: a version or a digest pins them (a moving branch of a hub does not; pin a commit).
    """
    if scheme_of(uri) == "local":
        return local.fingerprint(local.locate(uri, project))
    return uri
