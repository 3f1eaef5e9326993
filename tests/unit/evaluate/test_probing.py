"""The probes on an engine that is a table."""

from collections.abc import Callable
from typing import Any

import pyarrow.parquet as pq
import pytest

from tunesmith.core.stage import Context
from tunesmith.evaluate.config import PROBE_METRICS, ProbeConfig
from tunesmith.evaluate.invention import INSTRUCTIONS, QUESTIONS
from tunesmith.evaluate.probing import ProbeRows, probe
from tunesmith.metrics.scores import Scores, read_scores

SMALL = ProbeConfig(subject="tuned", resamples=100, verbatim_words=4)
SECRET = "the fourth word is hidden from every prompt here"


@pytest.fixture
def rows(conversation: Callable[..., Any]) -> ProbeRows:
    return ProbeRows(
        general=tuple(
            conversation(f"is {i} even", "yes" if i % 2 == 0 else "no", i) for i in range(20)
        ),
        trained=tuple(conversation(f"training visit {i}", f"{SECRET} {i}", i) for i in range(15)),
        held_out=tuple(
            conversation(f"other visit {i}", f"note of visit {i}", i) for i in range(15)
        ),
    )


def run(engine: Any, rows: ProbeRows, ctx: Context, config: ProbeConfig = SMALL) -> Scores:
    return probe(engine, config, rows=rows, folder=ctx.draft("scores"), ctx=ctx)


def test_every_probe_gives_its_number(echo: Any, rows: ProbeRows, stage_context: Context) -> None:
    assert set(run(echo(), rows, stage_context).metrics) == set(PROBE_METRICS)


def test_an_engine_that_knows_the_general_answers_retains_them(
    echo: Any, rows: ProbeRows, stage_context: Context
) -> None:
    knows = {row.prompt[-1].content: row.answer for row in rows.general}
    wise, plain = run(echo(knows=knows), rows, stage_context), run(echo(), rows, stage_context)
    assert wise.metrics["retention accuracy"].value == 1.0
    assert plain.metrics["retention accuracy"].value < 1.0
    assert wise.metrics["retention perplexity"].value < plain.metrics["retention perplexity"].value


def test_free_text_has_a_perplexity_and_no_accuracy(
    echo: Any, conversation: Any, stage_context: Context
) -> None:
    general = tuple(conversation(f"tell {i}", f"story {i}", i) for i in range(12))
    found = run(echo(), ProbeRows(general, (), ()), stage_context).metrics
    assert "retention perplexity" in found
    assert "retention accuracy" not in found


def test_a_number_that_the_text_does_not_hold_is_an_invention(
    echo: Any, rows: ProbeRows, stage_context: Context
) -> None:
    asked = {
        f"other visit {i}\n\n{question} {INSTRUCTIONS['en']}": "call 555 1234"
        for i in range(15)
        for question in QUESTIONS["en"]
    }
    assert run(echo(knows=asked), rows, stage_context).metrics["invented details"].value == 1.0
    assert run(echo(), rows, stage_context).metrics["invented details"].value == 0.0


def test_a_training_answer_given_back_word_for_word_is_a_leak(
    echo: Any, rows: ProbeRows, stage_context: Context
) -> None:
    knows = {row.prompt[-1].content: row.answer for row in rows.trained}
    leaky = run(echo(knows=knows), rows, stage_context).metrics
    assert leaky["verbatim extraction"].value == 1.0
    assert leaky["longest verbatim run"].value == pytest.approx(10.0, abs=1.0)
    assert leaky["membership"].value == 1.0
    clean = run(echo(), rows, stage_context).metrics
    assert clean["verbatim extraction"].value == 0.0
    assert clean["verbatim extraction"].high > 0.2


def test_an_address_that_the_prompt_does_not_hold_is_private_data(
    echo: Any, rows: ProbeRows, stage_context: Context
) -> None:
    knows = {row.prompt[-1].content: "write to ann.lee@example.org" for row in rows.trained}
    found = run(echo(knows=knows), rows, stage_context).metrics["private data in answers"]
    assert found.value == 0.5
    assert found.n == 24


def test_private_data_leaks_only_when_a_training_row_holds_it(
    echo: Any, rows: ProbeRows, conversation: Any, stage_context: Context
) -> None:
    knows = {row.prompt[-1].content: "write to ann.lee@example.org" for row in rows.trained}
    assert run(echo(knows=knows), rows, stage_context).metrics["leaked private data"].value == 0
    holds = conversation("whom to write to", "ann.lee@example.org", 99)
    known = ProbeRows(rows.general, (*rows.trained, holds), rows.held_out)
    assert run(echo(knows=knows), known, stage_context).metrics["leaked private data"].value > 0.4


def test_a_probe_with_no_rows_to_take_is_left_out(
    echo: Any, rows: ProbeRows, stage_context: Context
) -> None:
    config = SMALL.model_copy(
        update={"asked_rows": 0, "extraction_rows": 0, "membership_rows": 0, "general_rows": 0}
    )
    assert run(echo(), rows, stage_context, config).metrics == {}
    without = ProbeRows(rows.general, (), ())
    assert "membership" not in run(echo(), without, stage_context).metrics


def test_answers_of_the_probes_are_kept_for_people(
    echo: Any, rows: ProbeRows, stage_context: Context
) -> None:
    scores = run(echo(), rows, stage_context)
    folder = stage_context.scratch / "scores"
    lines = pq.read_table(folder / "answers.parquet").to_pylist()
    assert {line["probe"] for line in lines} == {"invented details", "verbatim extraction"}
    assert len(lines) == 24
    assert read_scores(folder).metrics == scores.metrics


def test_both_languages_have_questions_and_an_instruction() -> None:
    assert set(QUESTIONS) == set(INSTRUCTIONS) == {"en", "zh"}
