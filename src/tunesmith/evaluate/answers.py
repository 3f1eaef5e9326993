"""Answers of an engine to rows, with examples as earlier turns of the conversation."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from tunesmith.core.stage import Context
from tunesmith.evaluate.config import EvaluateConfig
from tunesmith.ports import Engine, Sampling
from tunesmith.records.conversation import Conversation, Message
from tunesmith.records.rows import write_table


@dataclass(frozen=True, slots=True)
class Answered:
    """One generated answer."""

    shots: int
    text: str
    finish_reason: str
    completion_tokens: int


def chosen(rows: Iterable[Conversation], most: int) -> list[Conversation]:
    """At most ``most`` rows, those of the smallest ids, in the order of the ids.

    Ids are digests, so this is a random sample that every run of the same rows repeats, whatever
    its seed: only so can two runs be paired.
    """
    return heapq.nsmallest(most, rows, key=lambda row: row.id)


def prompt_with(examples: Sequence[Conversation], row: Conversation) -> tuple[Message, ...]:
    """The row's system message, the examples as turns without theirs, then the row's prompt.

    What comes before the row's own turns is equal for rows with equal system messages, so an
    engine can compute it once.
    """
    system = tuple(m for m in row.prompt if m.role == "system")
    asked = tuple(m for m in row.prompt if m.role != "system")
    turns = tuple(m for example in examples for m in example.messages if m.role != "system")
    return system + turns + asked


def answer_rows(
    engine: Engine,
    rows: Sequence[Conversation],
    examples: Sequence[Conversation],
    config: EvaluateConfig,
    ctx: Context,
) -> list[Answered]:
    """One greedy answer for each row, in the order of the rows."""
    shots = len(examples)
    prompts = [prompt_with(examples, row) for row in rows]
    sampling = Sampling(max_new_tokens=config.max_new_tokens)
    label = f"{config.subject} {shots}-shot answers"
    ctx.progress(0, len(rows), "rows", label)
    answers = []
    for completion in engine.generate(prompts, sampling):
        answers.append(
            Answered(
                shots,
                completion.text.strip(),
                completion.finish_reason,
                completion.completion_tokens,
            )
        )
        ctx.progress(len(answers), len(rows), "rows", label)
    assert len(answers) == len(rows), (
        f"{engine.name} gave {len(answers)} answers to {len(rows)} rows"
    )
    return answers


def write_answers(
    folder: Path,
    rows: Sequence[Conversation],
    answers: Sequence[Answered],
    columns: Sequence[Mapping[str, Sequence[float]]],
) -> None:
    """Write ``answers.parquet``: the rows once for each number of shots, with each row's metrics."""
    names = list(columns[0])
    schema = pa.schema(
        [
            ("id", pa.string()), ("source", pa.string()), ("row", pa.int64()),
            ("shots", pa.int64()), ("prompt", pa.string()), ("expected", pa.string()),
            ("answer", pa.string()), ("finish_reason", pa.string()),
            ("completion_tokens", pa.int64()), *((name, pa.float64()) for name in names),
        ]
    )  # fmt: skip
    lines = [
        {
            "id": row.id,
            "source": row.source,
            "row": row.row,
            "shots": answer.shots,
            "prompt": "\n".join(message.content for message in row.prompt),
            "expected": row.answer,
            "answer": answer.text,
            "finish_reason": answer.finish_reason,
            "completion_tokens": answer.completion_tokens,
            **{name: columns[block][name][i] for name in names},
        }
        for block in range(len(columns))
        for i, row in enumerate(rows)
        for answer in (answers[block * len(rows) + i],)
    ]
    write_table(folder / "answers.parquet", lines, schema)
