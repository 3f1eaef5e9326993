"""The store: whole or not at all, one address for equal content, damage found and mended."""

from __future__ import annotations

import errno
import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunesmith.core.artifact import Artifact, Draft
from tunesmith.core.errors import StoreError
from tunesmith.core.store import MANIFEST, Store, disk_error, write_text_durably


class Rows:
    """Rows."""

    name: ClassVar[str] = "rows"
    version: ClassVar[int] = 2


class OlderRows:
    """Rows as an older tunesmith knew them."""

    name: ClassVar[str] = "rows"
    version: ClassVar[int] = 1


class Model:
    """A model."""

    name: ClassVar[str] = "model"
    version: ClassVar[int] = 9


FILES = {"rows.bin": b"one two three", "deep/er/more.bin": b"", "deep/last": b"\x00" * 5000}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture(autouse=True)
def _no_wait_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are about order and content; waiting 4 ms for each fsync would show neither."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)


def draft(folder: Path, files: dict[str, bytes] = FILES) -> Draft[Rows]:
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return Draft(folder)


def contents(artifact: Artifact[Rows]) -> dict[str, bytes]:
    files = (path for path in artifact.path.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(artifact.path).as_posix(): path.read_bytes() for path in files}


names = st.text("abcdefg好 .-_", min_size=1, max_size=8).filter(
    lambda n: n.strip(". ") and n != MANIFEST
)
folders = st.dictionaries(
    st.builds("/".join, st.lists(names, min_size=1, max_size=3)), st.binary(max_size=200),
    min_size=1, max_size=5,
).filter(lambda f: not any(a != b and b.startswith(f"{a}/") for a in f for b in f))  # fmt: skip
quick = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(folders)
def test_what_is_published_can_be_opened_and_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("laws")
    store = Store(folder / "store")
    artifact = store.publish(draft(folder / "draft", files), Rows)
    opened = store.open(artifact.digest, Rows)
    assert (opened, contents(opened)) == (artifact, files)
    assert store.has(artifact.digest)
    assert store.verify(artifact.digest) == []
    assert list(store.addresses()) == [artifact.digest] == store.find(artifact.digest[:2])
    assert not (folder / "draft").exists(), "the draft was moved"
    assert not list((folder / "store" / "staging").iterdir())


@quick
@given(folders, folders)
def test_equal_content_has_one_address_and_other_content_another(
    tmp_path_factory: pytest.TempPathFactory, one: dict[str, bytes], other: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("laws")
    store = Store(folder / "store")
    first = store.publish(draft(folder / "a", one), Rows)
    second = store.publish(draft(folder / "b", other), Rows)
    again = store.publish(draft(folder / "c", dict(reversed(one.items()))), Rows)
    assert first == again
    assert (first.digest == second.digest) == (one == other)
    assert len(list(store.addresses())) == len({first.digest, second.digest})
    assert not (folder / "c").exists()


def test_the_kind_is_part_of_the_address(store: Store, tmp_path: Path) -> None:
    rows = store.publish(draft(tmp_path / "a"), Rows)
    model = store.publish(draft(tmp_path / "b"), Model)  # type: ignore[arg-type]
    older = store.publish(draft(tmp_path / "c"), OlderRows)  # type: ignore[arg-type]
    assert len({rows.digest, model.digest, older.digest}) == 3


# crashes


class Killed(BaseException):
    """Stands for SIGKILL: nothing may catch it."""


@contextmanager
def interrupted(
    patch: pytest.MonkeyPatch, at: int, failure: BaseException, *, after: bool
) -> Iterator[list[int]]:
    """Raise at the ``at``-th change of the file system, before or after it is made."""
    seen = [0]

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            seen[0] += 1
            if seen[0] == at and not after:
                raise failure
            try:
                return real(*args, **more)
            finally:
                if seen[0] == at and after:
                    raise failure

        return call

    with patch.context() as inner:
        for name in ("replace", "rename", "fsync", "mkdir"):
            inner.setattr(os, name, counted(getattr(os, name)))
        yield seen


def _changes(store: Store, folder: Path, patch: pytest.MonkeyPatch) -> int:
    given = draft(folder)
    with interrupted(patch, 0, Killed(), after=False) as seen:
        store.publish(given, Rows)
    return seen[0]


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_point_of_publishing_leaves_all_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    expected = Store(tmp_path / "other").publish(draft(tmp_path / "draft"), Rows).digest
    total = _changes(Store(tmp_path / "count"), tmp_path / "draft", monkeypatch)
    assert total > 10, "the points that are tried"
    left = []
    for at in range(1, total + 1):
        store = Store(tmp_path / f"store {at}")
        given = draft(tmp_path / "draft")
        with interrupted(monkeypatch, at, Killed(), after=after), pytest.raises(Killed):
            store.publish(given, Rows)
        found = list(store.addresses())
        assert found in ([], [expected])
        assert all(store.verify(address) == [] for address in found)
        left.append(store.sweep())
        assert store.sweep() == 0
        assert list(store.addresses()) == found, "the sweep takes no artefact"
        again = store.publish(draft(tmp_path / "draft"), Rows)
        assert (again.digest, store.verify(expected)) == (expected, [])
    assert max(left) == 1, "some of the points left a folder in staging"


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO]
)
def test_a_failure_of_the_disk_at_any_point_is_told_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    codes = {
        errno.ENOSPC: "disk-full", errno.EDQUOT: "disk-full", errno.EROFS: "folder-read-only",
        errno.EACCES: "folder-read-only", errno.EIO: "disk-error",
    }  # fmt: skip
    store, told = Store(tmp_path / "store"), []
    before = store.publish(draft(tmp_path / "draft", {"old": b"old"}), Rows).digest
    for at in range(1, _changes(Store(tmp_path / "count"), tmp_path / "draft", monkeypatch)):
        failure = OSError(number, os.strerror(number), "somewhere")
        given = draft(tmp_path / "draft", {**FILES, "at": str(at).encode()})
        try:
            with interrupted(monkeypatch, at, failure, after=False):
                store.publish(given, Rows)
        except StoreError as error:
            told.append((error.code, error.__cause__ is failure))
        store.sweep()
        assert store.verify(before) == []
        assert all(store.verify(address) == [] for address in store.addresses())
    assert len(told) > 8
    assert set(told) == {(codes[number], True)}


def test_another_process_that_published_the_same_first_wins(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def slow_rename(path: Path, target: Path) -> Path:
        monkeypatch.undo()
        Store(store.root).publish(draft(tmp_path / "theirs"), Rows)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", slow_rename)
    artifact = store.publish(draft(tmp_path / "ours"), Rows)
    assert store.verify(artifact.digest) == []
    assert not list((store.root / "staging").iterdir())


# damage


@given(st.randoms(use_true_random=False))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_bit_anywhere_is_found(
    tmp_path_factory: pytest.TempPathFactory, dice: random.Random
) -> None:
    folder = tmp_path_factory.mktemp("laws")
    store = Store(folder / "store")
    address = store.publish(draft(folder / "draft"), Rows).digest
    full = [p for p in store.path(address).rglob("*") if p.is_file() and p.stat().st_size]
    victim = dice.choice(sorted(full))
    data = bytearray(victim.read_bytes())
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    victim.write_bytes(data)
    assert store.verify(address) == [victim.relative_to(store.path(address)).as_posix()]


def test_a_removed_and_an_added_file_are_found(store: Store, tmp_path: Path) -> None:
    address = store.publish(draft(tmp_path / "draft"), Rows).digest
    (store.path(address) / "rows.bin").unlink()
    (store.path(address) / "deep" / "model.safetensors").write_bytes(b"smuggled in")
    assert store.verify(address) == ["deep/model.safetensors", "rows.bin"]
    assert not store.has(address)


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '{"files": [{"path": "rows.bin"}]}'])
def test_a_broken_manifest_means_that_the_artefact_is_not_whole(
    store: Store, tmp_path: Path, body: str
) -> None:
    address = store.publish(draft(tmp_path / "draft"), Rows).digest
    (store.path(address) / MANIFEST).write_text(body)
    assert not store.has(address)
    assert store.verify(address) == [MANIFEST]
    with pytest.raises(StoreError, match="not whole"):
        store.open(address, Rows)


def test_publishing_equal_content_again_mends_a_damaged_copy(store: Store, tmp_path: Path) -> None:
    address = store.publish(draft(tmp_path / "draft"), Rows).digest
    (store.path(address) / "rows.bin").write_bytes(b"one two thr33")
    assert store.publish(draft(tmp_path / "draft"), Rows).digest == address
    assert store.verify(address) == []
    assert not list((store.root / "staging").iterdir())


def test_an_artefact_that_is_not_there_is_named_with_its_remedy(store: Store) -> None:
    with pytest.raises(StoreError) as caught:
        store.open("ab" + "0" * 62, Rows)
    assert (caught.value.code, "run the pipeline again" in caught.value.fix) == (
        "artefact-missing",
        True,
    )


def test_another_kind_or_a_newer_format_is_refused_and_an_older_one_is_read(
    store: Store, tmp_path: Path
) -> None:
    rows = store.publish(draft(tmp_path / "a"), Rows).digest
    older = store.publish(draft(tmp_path / "b"), OlderRows).digest  # type: ignore[arg-type]
    for kind in (Model, OlderRows):
        with pytest.raises(StoreError, match="rows version 2") as caught:
            store.open(rows, kind)  # type: ignore[arg-type]
        assert caught.value.code == "artefact-kind"
    assert store.open(older, Rows).digest == older


# what a stage must not give


def test_an_empty_draft_is_our_mistake(store: Store, tmp_path: Path) -> None:
    (tmp_path / "draft" / "empty").mkdir(parents=True)
    with pytest.raises(AssertionError, match="is empty"):
        store.publish(Draft[Rows](tmp_path / "draft"), Rows)


def test_a_link_in_a_draft_is_our_mistake(store: Store, tmp_path: Path) -> None:
    given = draft(tmp_path / "draft")
    (given.path / "link").symlink_to("/etc/passwd")
    with pytest.raises(AssertionError, match="no links"):
        store.publish(given, Rows)


def test_a_draft_with_a_manifest_of_its_own_is_our_mistake(store: Store, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=MANIFEST):
        store.publish(draft(tmp_path / "draft", {MANIFEST: b"{}"}), Rows)


# the rest


def test_an_empty_store_has_nothing_and_sweeps_nothing(store: Store) -> None:
    assert (list(store.addresses()), store.sweep(), store.has("ab" * 32)) == ([], 0, False)


def test_a_full_disk_is_told_even_when_its_folder_is_gone(tmp_path: Path) -> None:
    error = disk_error(OSError(errno.ENOSPC, "full"), tmp_path / "no" / "such" / "folder")
    assert (error.code, "MiB free" in error.what) == ("disk-full", True)


def test_replacing_a_text_leaves_the_old_one_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.yaml"
    write_text_durably(path, "old")
    for at in range(1, 4):
        with interrupted(monkeypatch, at, Killed(), after=True), pytest.raises(Killed):
            write_text_durably(path, f"new {at}")
        assert path.read_text() in {"old", "new 2", "new 3"}
    with (
        interrupted(monkeypatch, 1, OSError(errno.ENOSPC, "full"), after=False),
        pytest.raises(OSError, match="full"),
    ):
        write_text_durably(path, "never")
    assert path.read_text() == "new 3"
    write_text_durably(path, "last")
    assert [p.name for p in tmp_path.iterdir()] == ["run.yaml"]
