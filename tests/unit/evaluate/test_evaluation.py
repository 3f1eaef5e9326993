"""The stage ``evaluate`` on an engine that is a table."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tunesmith.core.config import parse
from tunesmith.core.errors import ConfigError, DataError
from tunesmith.core.events import read
from tunesmith.core.stage import Context
from tunesmith.evaluate.answers import chosen, prompt_with
from tunesmith.evaluate.config import EvaluateConfig
from tunesmith.evaluate.evaluation import evaluate
from tunesmith.metrics.scores import Scores, read_scores

QUESTIONS = {f"question {i} about item {i}": f"answer {i} of the Table" for i in range(12)}
SMALL = EvaluateConfig(subject="base", max_new_tokens=8, resamples=100)


@pytest.fixture
def rows(conversation: Callable[..., Any]) -> list[Any]:
    return [
        conversation(question, answer, i) for i, (question, answer) in enumerate(QUESTIONS.items())
    ]


def run(engine: Any, config: EvaluateConfig, rows: Any, examples: Any, ctx: Context) -> Scores:
    return evaluate(
        engine, config, rows=rows, examples=examples, folder=ctx.draft("scores"), ctx=ctx
    )


def events(ctx: Context, kind: str) -> list[dict[str, Any]]:
    return [event for event in read(ctx.scratch / "events.jsonl") if event["kind"] == kind]


def test_an_engine_that_knows_every_answer_scores_full_marks(
    echo: Any, rows: Any, stage_context: Context
) -> None:
    scores = run(echo(knows=QUESTIONS), SMALL, rows, [], stage_context)
    assert scores.metrics["rouge1"].value == pytest.approx(1.0)
    assert scores.metrics["exact_match"].value == 1.0
    assert scores.metrics["exact_match"].low < 1.0
    assert scores.metrics["bleu"].value == pytest.approx(100.0)


def test_an_engine_that_repeats_the_question_scores_less(
    echo: Any, rows: Any, stage_context: Context
) -> None:
    scores = run(echo(), SMALL, rows, [], stage_context)
    assert scores.metrics["exact_match"].value == 0
    assert scores.metrics["rouge1"].value < 0.5
    assert scores.metrics["perplexity"].value > 1


def test_what_is_written_is_what_is_returned_and_told(
    echo: Any, rows: Any, stage_context: Context
) -> None:
    scores = run(echo(knows=QUESTIONS), SMALL, rows, [], stage_context)
    folder = stage_context.scratch / "scores"
    assert read_scores(folder).metrics == scores.metrics
    told = {(e["subject"], e["name"]): e["value"] for e in events(stage_context, "metric")}
    assert told["base", "rouge1"] == scores.metrics["rouge1"].value
    assert ("expected answers", "unsupported") in told
    lines = pq.read_table(folder / "answers.parquet").to_pylist()
    assert [line["id"] for line in lines] == sorted(row.id for row in rows)
    assert all(line["answer"] == line["expected"] and line["exact_match"] == 1.0 for line in lines)
    shown = next(e["body"] for e in events(stage_context, "fact") if e["name"] == "answers")
    assert len(shown) == 8
    assert set(shown[0]) == {"row", "id", "prompt", "expected", "answer", "subject"}
    body = json.loads((folder / "scores.json").read_text())
    assert (body["format"], body["subject"], body["rows"]) == (1, "base", 12)


def test_each_number_of_shots_is_scored_by_itself_with_the_same_examples_first(
    echo: Any, rows: Any, conversation: Any, stage_context: Context
) -> None:
    examples = [conversation(f"example {i}", f"shown {i}", i) for i in range(20)]
    config = SMALL.model_copy(update={"shots": (0, 1, 3)})
    engine = echo(knows=QUESTIONS)
    scores = run(engine, config, rows, examples, stage_context)
    assert {"rouge1", "rouge1 1-shot", "rouge1 3-shot", "perplexity"} <= set(scores.metrics)
    assert "perplexity 1-shot" not in scores.metrics
    one, three = engine.seen[12:24], engine.seen[24:]
    assert {prompt[:2] for prompt in one} == {three[0][:2]}
    assert len({prompt[:6] for prompt in three}) == 1
    assert [m.role for m in three[0]] == ["user", "assistant"] * 3 + ["user"]
    subjects = {e["subject"] for e in events(stage_context, "metric")}
    assert subjects == {"base", "base 1-shot", "base 3-shot", "expected answers"}


def test_an_example_is_never_a_scored_row_nor_of_its_group_nor_long(
    echo: Any, conversation: Any, stage_context: Context
) -> None:
    scored = [conversation("question 1", "answer 1", 1, group="patient 1")]
    fit = conversation("fit", "yes", 4)
    examples = [
        *scored,
        conversation("other visit", "no", 2, group="patient 1"),
        conversation("long " * 100, "no", 3),
        fit,
    ]
    config = SMALL.model_copy(update={"shots": (1,), "example_characters": 50})
    engine = echo()
    run(engine, config, scored, examples, stage_context)
    assert engine.seen[0][:2] == fit.messages


def test_too_few_examples_are_refused(echo: Any, rows: Any, stage_context: Context) -> None:
    config = SMALL.model_copy(update={"shots": (2,)})
    with pytest.raises(DataError) as raised:
        run(echo(), config, rows, rows, stage_context)
    assert raised.value.code == "few-examples"


def test_no_rows_are_refused(echo: Any, stage_context: Context) -> None:
    with pytest.raises(DataError) as raised:
        run(echo(), SMALL, [], [], stage_context)
    assert raised.value.code == "no-rows"


def test_cut_answers_are_told(echo: Any, rows: Any, stage_context: Context) -> None:
    run(echo(), SMALL.model_copy(update={"max_new_tokens": 3}), rows, [], stage_context)
    assert any("12 of 12 answers were cut" in e["text"] for e in events(stage_context, "note"))


def test_chinese_answers_under_english_scoring_are_told(
    echo: Any, conversation: Any, stage_context: Context
) -> None:
    run(echo(), SMALL, [conversation("问题", "血压正常", 0)], [], stage_context)
    assert any("language: zh" in e["text"] for e in events(stage_context, "note"))


def test_the_rows_taken_depend_on_the_rows_alone(rows: Any) -> None:
    assert chosen(rows, 5) == chosen(rows[::-1], 5)
    assert chosen(chosen(rows, 8), 5) == chosen(rows, 5)
    assert chosen(rows, 99) == sorted(rows, key=lambda row: row.id)


def test_examples_come_after_the_system_message_and_without_their_own(conversation: Any) -> None:
    row = conversation("ask", "say", 0, system="be brief")
    example = conversation("shown", "told", 1, system="be long")
    prompt = prompt_with([example], row)
    assert [m.content for m in prompt] == ["be brief", "shown", "told", "ask"]


def test_equal_input_gives_equal_bytes(
    echo: Any, rows: Any, stage_context: Context, tmp_path: Path
) -> None:
    made = []
    for name in ("one", "two"):
        folder = stage_context.draft(name)
        evaluate(
            echo(knows=QUESTIONS), SMALL, rows=rows, examples=[], folder=folder, ctx=stage_context
        )
        made.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert made[0] == made[1]
    assert set(made[0]) == {"scores.json", "statistics.parquet", "answers.parquet"}


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(ConfigError):
        parse(EvaluateConfig, {"metrics": ["rouge9"]}, source="test")


@pytest.mark.parametrize("metric", ["rouge1", "bleu", "f1", "chrf", "perplexity"])
def test_one_metric_alone_can_be_measured(
    echo: Any, rows: Any, stage_context: Context, metric: str
) -> None:
    config = parse(EvaluateConfig, {"metrics": [metric], "resamples": 100}, source="test")
    assert list(run(echo(), config, rows, [], stage_context).metrics) == [metric]
