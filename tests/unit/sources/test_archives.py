"""Archives that nobody trusts are opened without a file appearing where it must not."""

import contextlib
import errno
import io
import random
import tarfile
import zipfile
from pathlib import Path

import pytest

from tunesmith.core.errors import DataError
from tunesmith.sources import archives


def make_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def make_tar(path: Path, files: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return path


FILES = {"pkg-1.0/data/a.txt": b"A", "pkg-1.0/data/deep/b.txt": b"B", "pkg-1.0/c.txt": b"C"}


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_file_or_a_folder_is_taken_out(tmp_path: Path, kind: str) -> None:
    make = make_zip if kind == "zip" else make_tar
    archive = make(tmp_path / f"x.{kind}", FILES)
    assert archives.take(archive, "data/a.txt", tmp_path / "one", strip_top=True)
    assert (tmp_path / "one").read_bytes() == b"A"
    assert archives.take(archive, "data", tmp_path / "all", strip_top=True)
    assert sorted(str(p.relative_to(tmp_path / "all")) for p in (tmp_path / "all").rglob("*.txt")) == [
        "a.txt",
        "deep/b.txt",
    ]  # fmt: skip
    assert not archives.take(archive, "dat", tmp_path / "none", strip_top=True)
    assert archives.paths(archive) == sorted(FILES)


@pytest.mark.parametrize("name", ["../out.txt", "a/../../out.txt", "/out.txt", "a\\..\\out.txt"])
@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_name_that_points_outside_refuses_the_archive(
    tmp_path: Path, name: str, kind: str
) -> None:
    make = make_zip if kind == "zip" else make_tar
    archive = make(tmp_path / f"x.{kind}", {"ok.txt": b"ok", name: b"bad"})
    with pytest.raises(DataError) as caught:
        archives.take(archive, "ok.txt", tmp_path / "inside" / "ok.txt")
    assert caught.value.code == "archive-unsafe"
    assert not (tmp_path / "out.txt").exists()


def test_links_are_never_followed_nor_written(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    archive = make_tar(tmp_path / "x.tar.gz", {"a.txt": b"A"}, {"l.txt": str(tmp_path / "secret")})
    assert archives.paths(archive) == ["a.txt"]
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as made:
        info = zipfile.ZipInfo("l.txt")
        info.external_attr = 0o120777 << 16
        made.writestr(info, "/etc/passwd")
    assert archives.paths(tmp_path / "x.zip") == []


def test_an_archive_that_grows_beyond_bounds_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_ALWAYS_BYTES", 1000)
    archive = make_zip(tmp_path / "bomb.zip", {"zeros": bytes(3_000_000)})
    with pytest.raises(DataError) as caught:
        archives.take(archive, "zeros", tmp_path / "zeros")
    assert caught.value.code == "archive-unsafe"
    assert (tmp_path / "zeros").stat().st_size < 3_000_000


def test_what_is_no_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.whl").write_bytes(b"not an archive")
    with pytest.raises(DataError, match=r"x\.whl"):
        archives.paths(tmp_path / "x.whl")


PAYLOAD = random.Random(1).randbytes(200) * 3000 + b"x" * 100_000


def _zip(method: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        file.writestr("top/data.jsonl", PAYLOAD)
    return buffer.getvalue()


def _tar(mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as file:  # type: ignore[call-overload]
        info = tarfile.TarInfo("top/data.jsonl")
        info.size = len(PAYLOAD)
        file.addfile(info, io.BytesIO(PAYLOAD))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "whole",
    [_zip(zipfile.ZIP_DEFLATED), _zip(zipfile.ZIP_BZIP2), _zip(zipfile.ZIP_LZMA),
     _tar("w:gz"), _tar("w:bz2"), _tar("w:xz")],
    ids=["zip", "zip-bzip2", "zip-lzma", "gz", "bz2", "xz"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["cut", "damaged in front", "damaged behind"])
def test_a_damaged_archive_gives_its_rows_whole_or_is_told(
    tmp_path: Path, whole: bytes, kind: str
) -> None:
    archive, made = tmp_path / "archive", tmp_path / "made"
    told = 0
    for seed in range(40):
        draw = random.Random(seed)
        bad = bytearray(whole)
        middle = len(bad) // 2
        if kind == "cut":
            bad = bad[: draw.randrange(20, len(bad))]
        else:
            bounds = (30, middle) if kind == "damaged in front" else (middle, len(bad))
            for _ in range(8):
                bad[draw.randrange(*bounds)] ^= 0xFF
        archive.write_bytes(bytes(bad))
        made.unlink(missing_ok=True)
        with contextlib.suppress(DataError):  # any other error is a fault of ours
            is_there = archives.take(archive, "data.jsonl", made, strip_top=True)
            assert not is_there or made.read_bytes() == PAYLOAD
            continue
        told += 1
    assert told > 0


def test_a_full_disk_is_not_taken_for_a_damaged_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "archive"
    archive.write_bytes(_zip(zipfile.ZIP_DEFLATED))

    def full(self: object, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tunesmith.sources.archives._Budget.spend", full)
    with pytest.raises(OSError, match="No space left") as caught:
        archives.take(archive, "data.jsonl", tmp_path / "made", strip_top=True)
    assert caught.value.errno == errno.ENOSPC
