"""Folders of attempts are kept for a month and then removed."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tunesmith.backends.execute import Execution
from tunesmith.backends.schedule import Order, Place
from tunesmith.core.config import Resources
from tunesmith.core.graph import build
from tunesmith.core.ledger import Ledger


def test_an_old_attempt_is_removed_and_a_recent_one_is_kept(tmp_path: Path) -> None:
    place = Place(tmp_path, tmp_path / "cache")
    old, recent = (place.home / "work" / name for name in ("old", "recent"))
    for folder in (old, recent):
        (folder / "keep").mkdir(parents=True)
    long_ago = time.time() - 40 * 24 * 3600
    os.utime(old, (long_ago, long_ago))
    order = Order("run", build([], {}, seed=0), Resources(), frozenset())
    with Ledger(place.ledger) as ledger:
        Execution(order, place, ledger, lambda step, event: None).run()
    assert not old.exists()
    assert recent.exists()
