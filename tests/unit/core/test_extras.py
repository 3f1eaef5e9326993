"""Optional packages: the missing one is named, what it misses itself passes unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunesmith.core.errors import MissingPackage
from tunesmith.core.extras import missing, require


def test_a_package_that_is_there_is_imported() -> None:
    assert require("json.decoder", extra="data", needed_for="reading").JSONDecoder


@pytest.mark.parametrize(
    "module", ["no_such_thing", "no_such_thing.part", "no_such_thing.part.deep"]
)
def test_a_missing_package_is_named_with_the_pip_command(module: str) -> None:
    with pytest.raises(MissingPackage) as caught:
        require(module, extra="gguf", needed_for="running GGUF files")
    assert caught.value.what == "no_such_thing is not installed"
    assert caught.value.why == "it is needed for running GGUF files"
    assert caught.value.fix == "pip install 'tunesmith[gguf]'"


def test_a_part_missing_from_a_shared_namespace_counts_as_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shared_name" / "mine").mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingPackage):
        require("shared_name.theirs.deep", extra="x", needed_for="x")


@pytest.mark.parametrize(
    "inside", ["import no_such_dependency", "from no_such_dependency.a import b"]
)
def test_a_missing_dependency_of_a_present_package_passes_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    (tmp_path / "present_package.py").write_text(inside)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        require("present_package", extra="x", needed_for="x")


def test_another_fault_of_the_package_passes_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_package.py").write_text("from json import no_such_name")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match="no_such_name"):
        require("broken_package", extra="x", needed_for="x")


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("torch", "train"), ("pyarrow", "data"), ("rouge_score", "evaluate"), ("xllamacpp", "gguf"),
        ("huggingface_hub", "hub"), ("uvicorn", "serve"), ("prometheus_client", "serve"),
    ],
)  # fmt: skip
def test_a_missing_package_of_ours_leads_to_the_smallest_extra_that_brings_it(
    name: str, extra: str
) -> None:
    found = missing(ModuleNotFoundError(f"No module named {name!r}", name=name))
    assert found is not None
    assert found.what == f"{name} is not installed"
    assert found.fix == f"pip install 'tunesmith[{extra}]'"


def test_a_missing_package_of_every_install_leads_to_a_plain_install() -> None:
    found = missing(ModuleNotFoundError("No module named 'click'", name="click"))
    assert found is not None
    assert found.fix == "pip install tunesmith"


@pytest.mark.parametrize(
    "name", ["tunesmith.no_such_room", "torch.no_such_part", "os_path", "", None]
)
def test_a_missing_module_that_no_extra_brings_is_our_fault(name: str | None) -> None:
    assert missing(ModuleNotFoundError("No module", name=name)) is None
