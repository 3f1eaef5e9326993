"""Optional packages: imported when used, and asked for by name when they are missing."""

from __future__ import annotations

from importlib import import_module
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
