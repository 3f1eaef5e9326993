"""kill -9 in every stage, then the same command: it goes on, and the results are the same."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tunesmith.core.errors import TunesmithError
from tunesmith.core.ledger import Ledger

pytestmark = pytest.mark.real

EXACT = (
    "collect", "prepare", "fetch", "select", "train", "general", "later", "prepare-later", "replay",
    "train-again",
)  # fmt: skip
"""Steps that must give equal bytes. Evaluations are compared by their numbers: the last bit of a
matrix product in bfloat16 depends on where the process keeps its memory."""


def start(project: Path) -> subprocess.Popen[bytes]:
    with (project / "log.txt").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tunesmith", "run", "--project", str(project)],
            stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip


def running_step(project: Path) -> str | None:
    try:
        with Ledger(project / ".tunesmith" / "ledger.sqlite", readonly=True) as ledger:
            run = ledger.run()
            steps = ledger.steps(run["id"]) if run else []
    except (sqlite3.Error, TunesmithError):
        return None
    return next((s["step"] for s in steps if s["status"] == "running"), None)


def digests(project: Path) -> dict[str, dict[str, str]]:
    with Ledger(project / ".tunesmith" / "ledger.sqlite", readonly=True) as ledger:
        run = ledger.run()
        assert run is not None
        found = {}
        for step in ledger.steps(run["id"]):
            result = ledger.result(step["key"]) if step["key"] else None
            if result:
                found[step["step"]] = {name: d for name, (_, d) in result.outputs.items()}
    return found


def scores(project: Path) -> dict[tuple[str, str, str], float]:
    with Ledger(project / ".tunesmith" / "ledger.sqlite", readonly=True) as ledger:
        run = ledger.run()
        assert run is not None
        return {
            (step["step"], m["subject"], m["name"]): m["value"]
            for step in ledger.steps(run["id"])
            if step["stage"] in {"evaluate", "probe"}
            for m in ledger.metrics(step["key"])
        }


def kill_in_a_new_step(project: Path, killed: list[str], *, whole: bool) -> bool:
    """Start a run, kill it in the first step not killed before; False when it reached its end."""
    launcher = start(project)
    while launcher.poll() is None:
        step = running_step(project)
        if step is None or step in killed:
            time.sleep(0.01)
            continue
        time.sleep(0.05 * (len(killed) % 5))
        family = psutil.Process(launcher.pid).children(recursive=True)
        if not whole and family:
            family[0].kill()
            launcher.wait(60)
        else:
            launcher.send_signal(signal.SIGKILL)
            launcher.wait()
            _gone, left = psutil.wait_procs(family, timeout=10)
            assert not left, "the worker outlived its launcher"
        killed.append(step)
        return True
    assert launcher.returncode == 0, (project / "log.txt").read_text()[-3000:]
    return False


@pytest.mark.timeout(900)
def test_a_run_killed_in_every_step_gives_what_an_uninterrupted_one_gives(
    make_project: Callable[..., Path],
) -> None:
    calm, rough = make_project("calm"), make_project("rough")
    assert start(calm).wait() == 0, (calm / "log.txt").read_text()[-3000:]
    killed: list[str] = []
    while kill_in_a_new_step(rough, killed, whole=len(killed) % 3 != 2):
        pass
    expected, found = digests(calm), digests(rough)
    assert len(killed) >= len(expected) - 4, f"only {killed} were hit"
    assert set(found) == set(expected)
    assert scores(rough) == pytest.approx(scores(calm), rel=1e-2, abs=1e-2)
    assert {name: found[name] for name in EXACT} == {name: expected[name] for name in EXACT}
