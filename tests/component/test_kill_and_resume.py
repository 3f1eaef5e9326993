"""kill -9 in the middle of training, then the same command again: the bytes of an untouched run."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tunesmith.records.conversation import Conversation, Message, identify
from tunesmith.records.rows import write_conversations

WORKER = """
import json, sys
from pathlib import Path
from tunesmith.core.artifact import Artifact
from tunesmith.core.config import Resources
from tunesmith.core.events import EventWriter
from tunesmith.core.stage import Context
from tunesmith.train.config import TrainConfig
from tunesmith.train.stage import Train, TrainInputs

model, rows, folder, settings = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), json.loads(sys.argv[4])
ctx = Context(scratch=folder / "scratch", keep=folder / "keep", events=EventWriter(folder / "events.jsonl"),
              resources=Resources(device="cpu", threads=1), seed=4, cache=folder)
inputs = TrainInputs(Artifact("b" * 64, model), Artifact("t" * 64, rows / "train"), Artifact("v" * 64, rows / "valid"))
Train().run(TrainConfig(**settings), inputs, ctx)
"""


def _write_rows(folder: Path) -> None:
    draw = random.Random(8)
    for name, number in (("train", 30), ("valid", 4)):
        rows = []
        for i in range(number):
            turns = (
                Message("user", "ask " * draw.randint(5, 40)),
                Message("assistant", "say " * draw.randint(1, 9)),
            )
            rows.append(Conversation(turns, name, i, identify(turns, name, i)))
        write_conversations(folder / name, rows)


@pytest.mark.real
@pytest.mark.parametrize(("method", "dropout"), [("lora", 0.2), ("full", 0.0)], ids=str)
def test_a_killed_training_ends_with_the_bytes_of_an_uninterrupted_one(
    tiny_folder: Path, tmp_path: Path, method: str, dropout: float
) -> None:
    import json

    _write_rows(tmp_path)
    settings = json.dumps(
        {"method": method, "lora": {"r": 4, "lora_dropout": dropout}, "train_batch_size": 5,
         "num_train_epochs": 20, "save_steps": 2, "learning_rate": 1e-3, "eval_steps": 7,
         "eval_strategy": "steps"}
    )  # fmt: skip

    def start(folder: Path) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-c",
            WORKER,
            str(tiny_folder),
            str(tmp_path),
            str(folder),
            settings,
        ]
        return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})

    assert start(tmp_path / "whole").wait() == 0
    draw = random.Random()
    killed = 0
    while True:
        process = start(tmp_path / "cut")
        _wait_for_steps(tmp_path / "cut" / "keep", process)
        time.sleep(draw.uniform(0, 0.4))
        if process.poll() is None and killed < 2:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
            continue
        assert process.wait() == 0
        break
    assert killed > 0, "the training was over before it could be killed"
    whole, cut = (tmp_path / name / "scratch" / "tuned" for name in ("whole", "cut"))
    assert sorted(p.name for p in whole.iterdir()) == sorted(p.name for p in cut.iterdir())
    for path in whole.iterdir():
        assert path.read_bytes() == (cut / path.name).read_bytes(), path.name


def _wait_for_steps(keep: Path, process: subprocess.Popen[bytes]) -> None:
    """Until this process has written a checkpoint of its own, or has ended."""
    before = {path.name for path in keep.glob("checkpoint-*")}
    while process.poll() is None and {path.name for path in keep.glob("checkpoint-*")} <= before:
        time.sleep(0.01)
