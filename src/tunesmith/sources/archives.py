"""Take a file or folder out of a zip or tar archive that nobody trusts.

Only regular files are written, never a link or a device; names are matched, never joined as
given; the number of bytes is bounded while they are written, whatever the archive's table says.
"""

from __future__ import annotations

import errno
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Final

from tunesmith.core.errors import DataError

MOST_BYTES: Final = 64 << 30
"""Largest sum of bytes taken out of one archive: above every model file that a package holds."""
MOST_RATIO: Final = 200
"""Largest growth of a compressed archive; plain text compresses about 4 to 20 times."""
_ALWAYS_BYTES: Final = 100 << 20
"""Growth is not looked at below this sum."""
_CHUNK_BYTES: Final = 1 << 20
_DAMAGED: Final = (
    zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError, UnicodeError, zlib.error,
    lzma.LZMAError,
)  # fmt: skip


@dataclass(slots=True)
class _Budget:
    archive: Path
    left: int

    def spend(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise _unsafe(self.archive, "it grows beyond every bound when it is opened")


@dataclass(frozen=True, slots=True)
class _Opened:
    """Regular files by their path from the archive's top, and how to read one."""

    zip: zipfile.ZipFile | None
    tar: tarfile.TarFile | None
    members: dict[str, zipfile.ZipInfo | tarfile.TarInfo]

    def read(self, path: str) -> IO[bytes]:
        """The bytes of one regular file, as a stream."""
        member = self.members[path]
        if isinstance(member, zipfile.ZipInfo):
            assert self.zip is not None, "a zip member comes from a zip"
            return self.zip.open(member)
        assert self.tar is not None, "a tar member comes from a tar"
        stream = self.tar.extractfile(member)
        assert stream is not None, "only regular files are listed"
        return stream


def paths(archive: Path, *, strip_top: bool = False) -> list[str]:
    """Sorted paths of the regular files in ``archive``."""
    with _open(archive, strip_top=strip_top) as opened:
        return sorted(opened.members)


def take(archive: Path, path: str, target: Path, *, strip_top: bool = False) -> bool:
    """Write the file or folder at ``path`` to ``target``; False when the archive has neither.

    ``strip_top`` leaves out the first part of each name, as in ``name-1.0/src/a.txt``.
    """
    size = max(archive.stat().st_size, 1)
    with _open(archive, strip_top=strip_top) as opened:
        chosen = [path] if path in opened.members else _below(opened.members, path)
        budget = _Budget(archive, min(MOST_BYTES, max(_ALWAYS_BYTES, size * MOST_RATIO)))
        for name in chosen:
            inside = target if name == path else target / PurePosixPath(name).relative_to(path)
            inside.parent.mkdir(parents=True, exist_ok=True)
            with inside.open("wb") as out:
                for piece in _pieces(archive, opened, name):
                    budget.spend(len(piece))
                    out.write(piece)
        return bool(chosen)


def _below(members: dict[str, zipfile.ZipInfo | tarfile.TarInfo], folder: str) -> list[str]:
    return sorted(name for name in members if name.startswith(folder.rstrip("/") + "/"))


def _pieces(archive: Path, opened: _Opened, name: str) -> Iterator[bytes]:
    """The bytes of one file; a fault of reading is the archive's, one of writing is not."""
    with _damage_told(archive):
        source = opened.read(name)
    with source:
        while True:
            with _damage_told(archive):
                piece = source.read(_CHUNK_BYTES)
            if not piece:
                return
            yield piece


@contextmanager
def _open(archive: Path, *, strip_top: bool) -> Iterator[_Opened]:
    with ExitStack() as stack:
        with _damage_told(archive):
            if zipfile.is_zipfile(archive):
                file = stack.enter_context(zipfile.ZipFile(archive))
                plain = {info.filename: info for info in file.infolist() if _is_plain(info)}
                opened = _Opened(file, None, _checked(archive, plain, strip_top=strip_top))
            else:
                tar = stack.enter_context(tarfile.open(archive))
                regular = {info.name: info for info in tar if info.isreg()}
                _read_to_its_end(tar)
                opened = _Opened(None, tar, _checked(archive, regular, strip_top=strip_top))
        yield opened


def _read_to_its_end(tar: tarfile.TarFile) -> None:
    """The checksum of a compressed tar is its last word, which nobody hears who stops at a file's end."""
    if tar.fileobj is not None:
        while tar.fileobj.read(_CHUNK_BYTES):
            pass


@contextmanager
def _damage_told(archive: Path) -> Iterator[None]:
    """Put what the libraries raise on damaged archives into words; a fault of the disk stays one."""
    try:
        yield
    except OSError as error:
        # bz2 and gzip raise a bare OSError, zipfile seeks to places that are not there
        if error.errno not in (None, errno.EINVAL):
            raise
        raise _unsafe(archive, f"it cannot be opened: {error}") from error
    except _DAMAGED as error:
        raise _unsafe(archive, f"it cannot be opened: {error}") from error


def _is_plain(info: zipfile.ZipInfo) -> bool:
    # A zip can hold links (mode 0o120000, in the upper half of the attributes) and locked files.
    is_link = (info.external_attr >> 28) == 0o12
    is_locked = bool(info.flag_bits & 1)
    return not (info.is_dir() or is_link or is_locked)


def _checked(
    archive: Path,
    members: dict[str, zipfile.ZipInfo] | dict[str, tarfile.TarInfo],
    *,
    strip_top: bool,
) -> dict[str, zipfile.ZipInfo | tarfile.TarInfo]:
    kept: dict[str, zipfile.ZipInfo | tarfile.TarInfo] = {}
    for name, info in members.items():
        parts = name.split("/")
        if name.startswith("/") or "\\" in name or ".." in parts or "\0" in name:
            raise _unsafe(archive, f"it holds {name!r}, a name that points outside")
        clean = [part for part in parts if part not in ("", ".")][1 if strip_top else 0 :]
        if clean:
            kept["/".join(clean)] = info
    return kept


def _unsafe(archive: Path, why: str) -> DataError:
    return DataError(
        f"{archive.name} is not an archive that can be opened safely",
        why=why,
        fix="delete it and fetch it again; if it stays so, use another version or source",
        code="archive-unsafe",
    )
