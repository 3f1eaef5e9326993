"""However many processes prepare the rows, and wherever a kill falls, the bytes are the same."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = """
import sys
from pathlib import Path
from tunesmith.core.artifact import Artifact
from tunesmith.core.config import Resources
from tunesmith.core.digest import of_file
from tunesmith.core.events import EventWriter
from tunesmith.core.stage import Context
from tunesmith.prepare.config import PrepareConfig
from tunesmith.prepare.stage import Prepare, PrepareInputs

home, raw, workers = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

if __name__ == "__main__":
    ctx = Context(scratch=home / "s", keep=home / "k", events=EventWriter(home / "e"), seed=1,
                  resources=Resources(workers=workers), cache=home, project=home)
    Prepare().run(PrepareConfig(), PrepareInputs(Artifact("0" * 64, raw)), ctx)
    ctx.events.close()
    for path in sorted((home / "s").rglob("*.*")):
        print(path.relative_to(home), of_file(path))
"""


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """6,300 rows in seven batches, with duplicates across batches, private data and empty answers."""
    from tunesmith.records.conversation import Conversation, Message, identify
    from tunesmith.records.rows import write_conversations

    draw = random.Random(1)
    words = [f"word{i}" for i in range(400)]

    def row(i: int) -> Conversation:
        asked = f"{i % 5000} " + " ".join(words[i % 5000 % 91 :][:30])
        said = f"mail ann{i % 5000}@example.com" if i % 97 else ""
        turns = (Message("user", asked), Message("assistant", said))
        return Conversation(turns, "made", i, identify(turns, "made", i), str(draw.randint(0, 99)))

    folder = tmp_path_factory.mktemp("raw")
    write_conversations(folder, map(row, range(6300)))
    return folder


def _command(home: Path, raw: Path, workers: int) -> list[str]:
    home.mkdir(exist_ok=True)
    script = home / "script.py"
    script.write_text(SCRIPT)
    return [sys.executable, str(script), str(home), str(raw), str(workers)]


def _bytes(home: Path, raw: Path, workers: int) -> str:
    done = subprocess.run(_command(home, raw, workers), capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def expected(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return _bytes(tmp_path_factory.mktemp("one") / "home", raw, 1)


def test_the_number_of_processes_changes_no_byte(raw: Path, expected: str, tmp_path: Path) -> None:
    assert "train/rows.parquet" in expected
    assert _bytes(tmp_path / "three", raw, 3) == expected


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_preparation_goes_on_and_gives_the_same_bytes(
    raw: Path, expected: str, tmp_path: Path, workers: int
) -> None:
    home, draw, kills = tmp_path / "home", random.Random(workers), 0
    for _ in range(4):
        process = subprocess.Popen(_command(home, raw, workers), stdout=subprocess.DEVNULL)
        parts = sum(1 for _ in (home / "k").rglob("*.json"))
        deadline = time.monotonic() + draw.uniform(0.0, 0.6) + 60
        # wait until it has gone on by a part or two, then kill it wherever it is
        while sum(1 for _ in (home / "k").rglob("*.json")) < parts + draw.randint(1, 3):
            if process.poll() is not None or time.monotonic() > deadline:
                break
            time.sleep(0.01)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
    assert kills >= 2
    before = {path: path.stat().st_mtime_ns for path in (home / "k").rglob("*.json")}
    assert before
    assert _bytes(home, raw, workers) == expected
    assert all(path.stat().st_mtime_ns == at for path, at in before.items()), (
        "a part was done again"
    )
