"""Preparation gives the same bytes in every process, whatever its hash seed, threads and folder."""

import os
import subprocess
import sys
from pathlib import Path

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
from tunesmith.records.conversation import Conversation, Message, identify
from tunesmith.records.rows import write_conversations

home = Path(sys.argv[1])
words = [f"word{i}" for i in range(40)]
def row(i):
    turns = (Message("user", f"{i % 150} " + " ".join(words[i % 9:])), Message("assistant", f"ann{i % 150}@example.com"))
    return Conversation(turns, "rows.csv", i, identify(turns, "rows.csv", i))
write_conversations(home / "raw", (row(i) for i in range(300)))
ctx = Context(scratch=home / "s", keep=home / "k", events=EventWriter(home / "e"), resources=Resources(threads=int(sys.argv[2])),
              seed=int(sys.argv[2]), cache=home, project=home)
Prepare().run(PrepareConfig(), PrepareInputs(Artifact("0" * 64, home / "raw")), ctx)
ctx.events.close()
for path in sorted((home / "s").rglob("*.*")):
    print(path.relative_to(home), of_file(path))
"""


def test_bytes_do_not_depend_on_the_process(tmp_path: Path) -> None:
    seen = set()
    for number in ("1", "2"):
        home = tmp_path / number
        home.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(home), number],
            env={**os.environ, "PYTHONHASHSEED": number}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        seen.add(done.stdout)
    assert len(seen) == 1, "\n".join(seen)
    assert "train/rows.parquet" in seen.pop()
