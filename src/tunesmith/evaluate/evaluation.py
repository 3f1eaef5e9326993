"""The work of the stage ``evaluate``: answers with examples in the prompt, and their scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tunesmith.core.errors import DataError
from tunesmith.core.seeds import stream
from tunesmith.core.stage import Context
from tunesmith.evaluate.answers import Answered, answer_rows, chosen, write_answers
from tunesmith.evaluate.config import EvaluateConfig
from tunesmith.evaluate.scoring import generated_scores, surprise_scores
from tunesmith.metrics.estimate import Estimate
from tunesmith.metrics.row_scores import RowScores
from tunesmith.metrics.scores import ByRow, Scores, shot_name, write_scores
from tunesmith.metrics.unsupported import unsupported
from tunesmith.metrics.words import is_mostly_ideographs
from tunesmith.ports import Engine
from tunesmith.records.conversation import Conversation, Message

SHOWN_ANSWERS = 8
"""Rows in the fact ``answers``."""


def evaluate(
    engine: Engine,
    config: EvaluateConfig,
    *,
    rows: Iterable[Conversation],
    examples: Iterable[Conversation],
    folder: Path,
    ctx: Context,
) -> Scores:
    """Score ``engine`` on ``rows``, write the Scores artefact into ``folder``, tell the events."""
    scored = chosen(rows, config.max_rows)
    if not scored:
        raise _no_rows(config.subject)
    _warn_of_language(config, scored, ctx)
    shown = _examples(config, examples, scored, ctx)
    by_row: dict[str, ByRow] = {}
    answers: list[Answered] = []
    columns: list[Mapping[str, list[float]]] = []
    for shots in config.shots:
        given = answer_rows(engine, scored, shown[:shots], config, ctx)
        measured = generated_scores(scored, given, config)
        columns.append({name: kept.by_row() for name, kept in measured.items()})
        answers.extend(given)
        by_row |= _named(measured, scored, shots)
        _note_cut(config, given, shots, ctx)
    by_row |= _named(surprise_scores(engine, scored, config, ctx), scored, 0)
    estimates = _estimates(by_row, config, ctx)
    _tell(config, estimates, ctx)
    scores = Scores(
        config.subject, len(scored), estimates | _reference(scored, config, ctx), by_row,
        _settings(config, scored, shown),
    )  # fmt: skip
    write_scores(folder, scores)
    write_answers(folder, scored, answers, columns)
    ctx.fact("answers", _shown(config, scored, answers))
    return scores


def _examples(
    config: EvaluateConfig,
    rows: Iterable[Conversation],
    scored: Sequence[Conversation],
    ctx: Context,
) -> list[Conversation]:
    """The most examples that any number of shots needs; fewer shots take the first of them."""
    wanted = max(config.shots)
    if wanted == 0:
        return []
    ids = {row.id for row in scored}
    groups = {row.group for row in scored if row.group}
    short = [
        row
        for row in rows
        if row.id not in ids
        and row.group not in groups
        and sum(len(message.content) for message in row.messages) <= config.example_characters
    ]
    if len(short) < wanted:
        raise DataError(
            f"{wanted} examples are asked for, and {len(short)} rows can serve",
            why=(
                "an example is a row that is not scored, not of a scored row's group, and of at most "
                f"{config.example_characters} characters"
            ),
            fix="raise evaluate.example_characters, lower the number of shots, or give more rows",
            code="few-examples",
        )
    return stream(ctx.seed, "evaluate examples").sample(short, wanted)


def _named(
    measured: Mapping[str, RowScores], rows: Sequence[Conversation], shots: int
) -> dict[str, ByRow]:
    ids = tuple(row.id for row in rows)
    return {shot_name(name, shots): ByRow(ids, kept) for name, kept in measured.items()}


def _estimates(
    by_row: Mapping[str, ByRow], config: EvaluateConfig, ctx: Context
) -> dict[str, Estimate]:
    return {name: _estimate(kept.scores, config, ctx) for name, kept in by_row.items()}


def _estimate(scores: RowScores, config: EvaluateConfig, ctx: Context) -> Estimate:
    return scores.estimate(
        seed=ctx.stream("bootstrap"), resamples=config.resamples, confidence=config.confidence
    )


def _tell(config: EvaluateConfig, estimates: Mapping[str, Estimate], ctx: Context) -> None:
    for name, estimate in estimates.items():
        metric, _, shots = name.partition(" ")
        ctx.metric(f"{config.subject} {shots}".rstrip(), metric, estimate)


def _reference(
    rows: Sequence[Conversation], config: EvaluateConfig, ctx: Context
) -> dict[str, Estimate]:
    """What the expected answers themselves get where a metric has no perfect score."""
    if "unsupported" not in config.metrics:
        return {}
    kept = unsupported([_text(row.prompt) for row in rows], [row.answer for row in rows])
    estimate = _estimate(kept, config, ctx)
    ctx.metric("expected answers", "unsupported", estimate)
    return {"unsupported of expected answers": estimate}


def _settings(
    config: EvaluateConfig, rows: Sequence[Conversation], examples: Sequence[Conversation]
) -> dict[str, Any]:
    return {
        "language": config.language,
        "shots": list(config.shots),
        "max_new_tokens": config.max_new_tokens,
        "decoding": "greedy",
        "rows": [row.id for row in rows],
        "examples": [row.id for row in examples],
    }


def _shown(
    config: EvaluateConfig, rows: Sequence[Conversation], answers: Sequence[Answered]
) -> list[dict[str, Any]]:
    """The first rows with their first answers, which are those of the smallest ids."""
    return [
        {
            "row": row.row,
            "id": row.id,
            "prompt": _text(row.prompt),
            "expected": row.answer,
            "answer": answer.text,
            "subject": config.subject,
        }
        for row, answer in zip(rows[:SHOWN_ANSWERS], answers, strict=False)
    ]


def _text(messages: Sequence[Message]) -> str:
    return "\n".join(message.content for message in messages)


def _note_cut(
    config: EvaluateConfig, answers: Sequence[Answered], shots: int, ctx: Context
) -> None:
    cut = sum(answer.finish_reason == "length" for answer in answers)
    if cut:
        ctx.note(
            f"{config.subject} {shots}-shot: {cut} of {len(answers)} answers were cut at "
            f"evaluate.max_new_tokens = {config.max_new_tokens}"
        )


def _warn_of_language(config: EvaluateConfig, rows: Sequence[Conversation], ctx: Context) -> None:
    ideographs = sum(is_mostly_ideographs(row.answer) for row in rows)
    if config.language == "en" and 2 * ideographs >= len(rows):
        ctx.note(
            f"{ideographs} of {len(rows)} expected answers are not in Latin script: ROUGE and BLEU cut "
            "by English words give 0 there; set language: zh"
        )


def _no_rows(subject: str) -> DataError:
    return DataError(
        f"there are no rows to score {subject} on",
        why="a number over no rows has no value and no interval",
        fix="give the split more test rows (prepare.split), or check what dropped them: tunesmith report",
        code="no-rows",
    )
