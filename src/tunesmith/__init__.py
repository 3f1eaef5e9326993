"""tunesmith: the whole life of a fine-tuned language model, with one ledger behind every number.

Public names are imported on first use, so that ``import tunesmith`` stays light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from tunesmith.api import (
        compare,
        dry_run,
        explain,
        initialise,
        load_project,
        open_run,
        run,
        show,
        start_server,
        write_report,
    )

__all__ = [
    "__version__",
    "compare",
    "dry_run",
    "explain",
    "initialise",
    "load_project",
    "open_run",
    "run",
    "show",
    "start_server",
    "write_report",
]


def __getattr__(name: str) -> object:
    """Import ``tunesmith.api`` when one of its names is first used."""
    if name in __all__:
        from importlib import import_module

        # No public name may be that of a room (plan, serve, ...): importing the room would hide it.
        return getattr(import_module("tunesmith.api"), name)
    raise AttributeError(f"module 'tunesmith' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Public names, for completion in a shell."""
    return sorted(__all__)
