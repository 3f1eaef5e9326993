"""Optional packages: imported when used, and asked for by name when they are missing."""

from __future__ import annotations

import re
from importlib import import_module, metadata
from types import ModuleType

from tunesmith.core.errors import MissingPackage


def require(module: str, *, extra: str, needed_for: str) -> ModuleType:
    """Import ``module``, or say which extra brings it.

    When the module is there and one of *its* dependencies is missing, the original
    error passes unchanged: it names the right package.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        top = module.split(".")[0]
        missing = error.name or ""
        if not f"{module}.".startswith(f"{missing}."):
            raise
        raise MissingPackage(
            f"{top} is not installed",
            why=f"it is needed for {needed_for}",
            fix=f"pip install 'tunesmith[{extra}]'",
            code="missing-package",
        ) from error


def missing(error: ModuleNotFoundError) -> MissingPackage | None:
    """The error for a package that tunesmith's own metadata names; None when it names no such one.

    For imports that stand in plain sight, without `require`: the smallest extra that brings it is told.
    """
    name = error.name or ""  # with a dot: the package is there, and a part of it is not
    extras = {extra: names for extra, names in _needs().items() if name.lower() in names}
    if not extras:
        return None
    extra = min(extras, key=lambda one: len(extras[one]))
    return MissingPackage(
        f"{name} is not installed",
        why="this part of tunesmith works with it",
        fix=f"pip install 'tunesmith[{extra}]'" if extra else "pip install tunesmith",
        code="missing-package",
    )


def _needs() -> dict[str, set[str]]:
    """Extra -> names of its packages as modules spell them; "" for those that are always needed."""
    found: dict[str, set[str]] = {}
    for line in metadata.requires("tunesmith") or ():
        name = re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]
        extra = re.search(r"extra == ['\"]([^'\"]+)", line)
        module = re.sub(r"[-_.]+", "_", name).lower()
        found.setdefault(extra[1] if extra else "", set()).add(module)
    return found
