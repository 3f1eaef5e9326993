"""Content-addressed store of artefacts: a folder is published whole, or not at all.

Publishing: fsync every file, write ``manifest.json`` (path, bytes and SHA-256 of each file), fsync
it, rename the folder to ``objects/ab/cdef...`` and fsync the parents. The digest is that of the
manifest, so equal content has one address. Whatever a killed process left is in ``staging`` and
is swept by the next run.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from tunesmith.core import digest
from tunesmith.core.artifact import Artifact, Draft, K
from tunesmith.core.errors import StoreError

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"


class Store:
    """Artefacts below ``root``, named by digest. Safe for several processes at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._objects = root / "objects"
        self._staging = root / "staging"

    def publish(self, draft: Draft[K], kind: type[K]) -> Artifact[K]:
        """Make a draft durable under its content address; the draft's folder is moved away.

        Raises:
            StoreError: when the disk is full or the folder cannot be written. Nothing is lost:
                what was published stays, and the draft is where it was, or in ``staging``.

        """
        try:
            return self._publish(draft, kind)
        except OSError as error:
            raise disk_error(error, self.root) from error

    def _publish(self, draft: Draft[K], kind: type[K]) -> Artifact[K]:
        body = _manifest(draft.path, kind.name, kind.version)
        address = digest.of_value(body)
        target = self.path(address)
        if target.exists():
            if not self.verify(address):
                shutil.rmtree(draft.path)
                return self._durable(address)
            self._set_aside(target)
        staged = self._stage(draft.path)
        _write_durably(staged / MANIFEST, digest.canonical(body))
        _fsync_tree(staged)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            staged.rename(target)
        except OSError as error:
            if error.errno not in {errno.EEXIST, errno.ENOTEMPTY}:
                raise
            shutil.rmtree(staged)
        return self._durable(address)

    def _stage(self, folder: Path) -> Path:
        self._staging.mkdir(parents=True, exist_ok=True)
        staged = self._staging / f"{os.getpid()}-{uuid.uuid4().hex}"
        os.replace(folder, staged)
        return staged

    def _set_aside(self, damaged: Path) -> None:
        """Make room for the same content made again; what a disk or a hand damaged cannot stay."""
        shutil.rmtree(self._stage(damaged), ignore_errors=True)

    def _durable(self, address: str) -> Artifact[K]:
        """The artefact, once the name of every folder above it is on the disk too."""
        target = self.path(address)
        for folder in (target.parent, self._objects, self.root, self.root.parent):
            fsync_folder(folder)
        return Artifact(address, target)

    def path(self, address: str) -> Path:
        """Folder of the artefact with this digest, whether or not it is there."""
        return self._objects / address[:2] / address[2:]

    def open(self, address: str, kind: type[K]) -> Artifact[K]:
        """The artefact with this digest.

        Raises:
            StoreError: when it is not whole in the store, or of another kind or a newer format.

        """
        path = self.path(address)
        if not self.has(address):
            raise StoreError(
                f"artefact {address[:12]} is not whole in the store",
                why=f"{path} or a file in it is missing or cut short; a part of the project folder "
                "was removed or not copied",
                fix="run the pipeline again: the step that made it will be run",
                code="artefact-missing",
            )
        body = self.manifest(address)
        if body["kind"] != kind.name or body["version"] > kind.version:
            raise StoreError(
                f"artefact {address[:12]} is {body['kind']} version {body['version']}",
                why=f"{kind.name} version {kind.version} or older is needed here",
                fix="use the version of tunesmith that wrote it, or run its step again",
                code="artefact-kind",
            )
        return Artifact(address, path)

    def manifest(self, address: str) -> dict[str, Any]:
        """Manifest of an artefact: format, kind, version, files [{path, bytes, sha256}]."""
        body: dict[str, Any] = json.loads((self.path(address) / MANIFEST).read_bytes())
        return body

    def has(self, address: str) -> bool:
        """Whether every file of the artefact is there with its recorded size."""
        path = self.path(address)
        try:
            files = self.manifest(address)["files"]
            return all(_size(path / file["path"]) == file["bytes"] for file in files)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def verify(self, address: str) -> list[str]:
        """Files that were changed, removed or added since; empty when all is well.

        A changed manifest stands alone in the list: what it says of the others is worth nothing.
        """
        path = self.path(address)
        try:
            body = self.manifest(address)
            whole = digest.of_value(body) == address
        except (OSError, ValueError):
            whole = False
        if not whole:
            return [MANIFEST]
        known = {file["path"]: file for file in body["files"]}
        there = {p.relative_to(path).as_posix() for p in path.rglob("*") if not p.is_dir()}
        added = there - known.keys() - {MANIFEST}
        return sorted({name for name, file in known.items() if _differs(path / name, file)} | added)

    def find(self, prefix: str) -> list[str]:
        """Digests that start with ``prefix`` (2 hex digits or more), in order."""
        return [address for address in self.addresses() if address.startswith(prefix)]

    def addresses(self) -> Iterator[str]:
        """Digest of every published artefact, in order."""
        for manifest in sorted(self._objects.glob(f"??/*/{MANIFEST}")):
            yield manifest.parent.parent.name + manifest.parent.name

    def sweep(self) -> int:
        """Remove what killed processes left in ``staging``; the number of folders removed.

        Call it while holding the project's lock: no other process is publishing then.
        """
        left = list(self._staging.iterdir()) if self._staging.exists() else []
        for entry in left:
            shutil.rmtree(entry, ignore_errors=True)
        return len(left)


def disk_error(error: OSError, folder: Path) -> StoreError:
    """What a failed write means for the user: a full disk, a read-only folder, or something else."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(there).free
        return StoreError(
            f"the disk of {folder} is full ({free / 2**20:.0f} MiB free)",
            why="a result could not be written; results written before are whole",
            fix="make room, then give the same command again: it goes on where it stopped",
            code="disk-full",
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return StoreError(
            f"{error.filename or folder} cannot be opened or written",
            why=f"the system says: {error.strerror}",
            fix=f"check with `ls -ld {error.filename or folder}`; give yourself permission, "
            "or move the project",
            code="folder-read-only",
        )
    return StoreError(
        f"{error.filename or folder}: {error.strerror or error}",
        why="the file system refused to read or write a result",
        fix="check the disk and the folder's permissions, then give the same command again",
        code="disk-error",
    )


def write_text_durably(path: Path, text: str) -> None:
    """Replace a file's content in one step: readers see the old text or the new, never a part."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _write_durably(partial, text.encode("utf-8"))
        os.replace(partial, path)
    except OSError as error:
        with suppress(OSError):  # on a read-only disk even this is refused, and says less
            partial.unlink()
        if error.filename:
            error.filename = str(path)  # the name that the user knows
        raise
    fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _manifest(folder: Path, kind: str, version: int) -> dict[str, Any]:
    files = []
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        assert not stat.S_ISLNK(mode), f"{path}: an artefact holds no links"
        if stat.S_ISREG(mode):
            name = path.relative_to(folder).as_posix()
            files.append(
                {"path": name, "bytes": path.stat().st_size, "sha256": digest.of_file(path)}
            )
    names = [file["path"] for file in files]
    assert MANIFEST not in names, f"{folder / MANIFEST}: the store writes a file of this name"
    assert files, f"{folder} is empty: a stage must write its output before it returns"
    return {"format": FORMAT, "kind": kind, "version": version, "files": files}


def _write_durably(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _fsync_tree(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    fsync_folder(folder)


def _differs(path: Path, recorded: Mapping[str, Any]) -> bool:
    return bool(_size(path) != recorded["bytes"] or digest.of_file(path) != recorded["sha256"])


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
