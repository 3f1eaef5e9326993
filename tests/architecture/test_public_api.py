"""The public surface, as a snapshot: a change here is a change for users and belongs in CHANGELOG.md."""

import inspect

import pytest

import tunesmith
from tunesmith import api

SURFACE = {
    "compare": "(project: Folder, before: str, after: str) -> dict[str, Any]",
    "dry_run": (
        "(project: Folder = '.', *, until: str | None = None, start: str | None = None, "
        "settings: Sequence[str] = ()) -> list[dict[str, Any]]"
    ),
    "explain": "(code: str) -> str",
    "initialise": "(folder: Folder, template: str = 'clinical-notes') -> Path",
    "load_project": "(project: Folder, settings: Sequence[str] = ()) -> Settings",
    "open_run": "(project: Folder = '.', run: str | None = None) -> dict[str, Any]",
    "run": (
        "(project: Folder = '.', *, until: str | None = None, start: str | None = None, "
        "settings: Sequence[str] = (), accept: Mapping[str, str] | None = None, wait: bool = False, "
        "on_event: OnEvent | None = None) -> RunResult"
    ),
    "show": "(project: Folder, what: str | None = None, *, limit: int = 20) -> Any",
    "start_server": "(project: Folder = '.', run: str | None = None, **options: Any) -> Server",
    "write_report": "(project: Folder = '.', run: str | None = None) -> Path",
}


def test_the_public_names_are_these() -> None:
    assert sorted(tunesmith.__all__) == sorted(["__version__", *SURFACE])


@pytest.mark.parametrize("name", sorted(SURFACE))
def test_a_public_function_keeps_its_signature(name: str) -> None:
    # annotations are kept as they are written; the quotes only mark them as text
    signature = str(inspect.signature(getattr(api, name))).replace("'", "").replace("=.", "= .")
    wanted = SURFACE[name].replace("'", "")
    assert signature.replace(" = ", "=") == wanted.replace(" = ", "=")


@pytest.mark.parametrize("name", sorted(SURFACE))
def test_a_public_name_of_the_package_is_that_of_the_api(name: str) -> None:
    assert getattr(tunesmith, name) is getattr(api, name)


@pytest.mark.parametrize("name", sorted(SURFACE))
def test_a_public_function_says_what_it_does(name: str) -> None:
    assert inspect.getdoc(getattr(api, name))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        tunesmith.trian  # noqa: B018  # the access itself is what is tested
