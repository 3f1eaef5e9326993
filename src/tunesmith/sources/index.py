"""The package index that pip is configured for: find one release's files and download one.

Used for source archives only. ``pip download`` would run an archive's build script to learn its
name, and nothing that is fetched here may be executed.
"""

from __future__ import annotations

import html.parser
import json
import os
import re
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from tunesmith.core.digest import of_file
from tunesmith.core.errors import DataError
from tunesmith.sources.uri import PackageFile

_ACCEPT: Final = "application/vnd.pypi.simple.v1+json, text/html;q=0.2"
"""The simple API of package indexes as JSON (PEP 691), or the older HTML (PEP 503)."""
_SECONDS: Final = 60
_CHUNK_BYTES: Final = 1 << 20
_PIPS_OWN: Final = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
"""Where pip looks when nothing is configured; asked from pip so that it is named in one place."""


@dataclass(frozen=True, slots=True)
class IndexFile:
    """One file of a release, as an index lists it."""

    name: str
    url: str
    sha256: str
    """Empty when the index publishes none."""


def source_archive(package: PackageFile) -> IndexFile | None:
    """The source archive of exactly this version on the first index that has it."""
    for index in index_urls():
        for file in _listed(index, package.name):
            if _is_source_of(file.name, package):
                return file
    return None


def index_urls() -> list[str]:
    """The indexes pip would ask, in its order: settings of pip, then its environment variables."""
    settings: dict[str, str] = {}
    for line in _pip("config", "list").splitlines():
        key, _, value = line.partition("=")
        settings[key.strip().split(".")[-1]] = value.strip().strip("'\"")
    first = os.environ.get("PIP_INDEX_URL") or settings.get("index-url") or _default_url()
    more = os.environ.get("PIP_EXTRA_INDEX_URL") or settings.get("extra-index-url", "")
    return [first, *more.replace("\\n", " ").split()]


def download(url: str, target: Path, *, sha256: str) -> None:
    """Write what ``url`` serves to ``target`` and check its digest, when one is given.

    Raises:
        DataError: when the server cannot be reached or sends other bytes than expected.

    """
    try:
        with _open(url) as response, target.open("wb") as out:
            while piece := response.read(_CHUNK_BYTES):
                out.write(piece)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise unreachable(url, error) from error
    check_digest(target, sha256, url)


def check_digest(file: Path, sha256: str, source: str) -> None:
    """Refuse ``file`` when its SHA-256 is not ``sha256``; an empty one is not checked.

    Raises:
        DataError: naming both digests.

    """
    if sha256 and (found := of_file(file)) != sha256:
        raise DataError(
            f"{source} is not the file that was asked for",
            why=f"its SHA-256 is {found}, and {sha256} was expected",
            fix="check where the source comes from; if the new bytes are right, give their digest",
            code="source-digest",
        )


def unreachable(source: str, error: object) -> DataError:
    """The error for a source that no server gave."""
    return DataError(
        f"{source} could not be fetched",
        why=f"{error}",
        fix="check the name and the network (or the proxy and index settings), then run again",
        code="source-unreachable",
    )


def _open(url: str) -> urllib.request._UrlopenRet:
    if urlsplit(url).scheme == "file" and url.endswith("/"):
        url += "index.html"
    request = urllib.request.Request(url, headers={"Accept": _ACCEPT, "User-Agent": "tunesmith"})
    certificates = os.environ.get("PIP_CERT") or None
    context = ssl.create_default_context(cafile=certificates)
    return urllib.request.urlopen(request, timeout=_SECONDS, context=context)


def _listed(index: str, name: str) -> list[IndexFile]:
    page = f"{index.rstrip('/')}/{_normal(name)}/"
    try:
        with _open(page) as response:
            body = response.read()
            base = response.geturl()
            kind = response.headers.get_content_type()
    except urllib.error.URLError:
        # pip also goes on to its next index; when none has the file, the caller says so.
        return []
    return _from_json(body, base) if kind.endswith("json") else _from_html(body, base)


def _from_json(body: bytes, base: str) -> list[IndexFile]:
    files = json.loads(body).get("files", [])
    return [
        IndexFile(file["filename"], urljoin(base, file["url"]), file["hashes"].get("sha256", ""))
        for file in files
    ]


def _from_html(body: bytes, base: str) -> list[IndexFile]:
    parser = _Links()
    parser.feed(body.decode("utf-8", "replace"))
    found = []
    for href in parser.found:
        url, fragment = urldefrag(urljoin(base, href))
        name = unquote(urlsplit(url).path.rsplit("/", 1)[-1])
        sha256 = fragment.removeprefix("sha256=") if fragment.startswith("sha256=") else ""
        found.append(IndexFile(name, url, sha256))
    return found


class _Links(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for key, value in attrs if key == "href" and value]


def _is_source_of(file_name: str, package: PackageFile) -> bool:
    for suffix in (".tar.gz", ".tar.bz2", ".tar.xz", ".zip"):
        if file_name.endswith(suffix):
            name, _, version = file_name.removesuffix(suffix).rpartition("-")
            return _normal(name) == _normal(package.name) and version == package.version
    return False


def _normal(name: str) -> str:
    """The name as an index spells it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _default_url() -> str:
    done = subprocess.run(
        [sys.executable, "-c", _PIPS_OWN], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def _pip(*words: str) -> str:
    command = [sys.executable, "-m", "pip", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
