"""The command of a worker process; backends differ only in what is put in front of it."""

from __future__ import annotations

import sys


def warm() -> list[str]:
    """One process on this machine that takes job folders from its standard input."""
    return [sys.executable, "-m", "tunesmith.worker", "-"]
