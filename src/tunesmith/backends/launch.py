"""The command of a worker process; backends differ only in what is put in front of it."""

from __future__ import annotations

import sys


def warm() -> list[str]:
    """One process on this machine that takes job folders from its standard input.

    ``-P``: a ``queue.py`` or ``torch.py`` in the folder of the command must not be imported.
    """
    return [sys.executable, "-P", "-m", "tunesmith.worker", "-"]
