"""Plan and train in a process of its own, so that its peak is training's and nobody else's.

Usage: memory_plan_run.py MODEL_FOLDER SCRATCH ROWS WORDS; prints what `beside` gives, as JSON.
"""

import dataclasses
import json
import sys
from pathlib import Path

from tunesmith.budget.plan import beside
from tunesmith.core.artifact import Artifact
from tunesmith.core.config import Resources
from tunesmith.core.events import EventWriter, read
from tunesmith.core.stage import Context
from tunesmith.records.conversation import Conversation, Message, identify
from tunesmith.records.rows import write_conversations
from tunesmith.select.config import SelectConfig
from tunesmith.select.stage import Select, SelectInputs
from tunesmith.train.config import TrainConfig
from tunesmith.train.stage import Train, TrainInputs


def row(number: int, words: int) -> Conversation:
    turns = (
        Message("user", f"Row {number}. " + "The patient came in with a cough. " * (words // 7)),
        Message("assistant", "The patient has a cough. " * (words // 15)),
    )
    return Conversation(turns, "rows", number, identify(turns, "rows", number))


def main() -> None:
    model, scratch, rows, words = Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:5])
    write_conversations(scratch / "rows", [row(i, words) for i in range(rows)])
    events = EventWriter(scratch / "events.jsonl")
    ctx = Context(
        scratch=scratch / "scratch", keep=scratch / "keep", events=events, seed=7,
        resources=Resources(device="cpu", threads=1), cache=scratch / "cache",
    )  # fmt: skip
    ctx.keep.mkdir()
    base, data = Artifact("a" * 64, model), Artifact("b" * 64, scratch / "rows")
    choice = Select().run(SelectConfig(num_train_epochs=1), SelectInputs(base, data), ctx).choice
    chosen = Artifact("c" * 64, choice.path)
    Train().run(TrainConfig(num_train_epochs=1), TrainInputs(base, data, data, chosen), ctx)
    events.close()
    facts = {e["name"]: e["body"] for e in read(scratch / "events.jsonl") if e["kind"] == "fact"}
    print(
        json.dumps([dataclasses.asdict(each) for each in beside(facts["plan"], facts["training"])])
    )


if __name__ == "__main__":
    main()
