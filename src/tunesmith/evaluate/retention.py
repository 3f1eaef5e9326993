"""Retention: what the model could do before tuning, measured again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tunesmith.core.stage import Context
from tunesmith.evaluate.answers import chosen
from tunesmith.evaluate.config import ProbeConfig
from tunesmith.evaluate.scoring import log_probabilities
from tunesmith.metrics.perplexity import perplexity
from tunesmith.metrics.row_scores import shares
from tunesmith.metrics.scores import ByRow
from tunesmith.ports import AnswerLogProb, Engine
from tunesmith.records.conversation import Conversation, Message

ACCURACY = "retention accuracy"
PERPLEXITY = "retention perplexity"


def retention(
    engine: Engine, general: Sequence[Conversation], config: ProbeConfig, ctx: Context
) -> dict[str, ByRow]:
    """Perplexity of general answers; accuracy too where the answers are a small closed set.

    A row is right when its expected answer has the highest summed log-probability of all
    distinct answers in the file. Nothing is generated, so the form of an answer cannot hide
    the knowledge: a tuned model often answers every question in the style of its task.

    Source: Brown et al. 2020 (arXiv:2005.14165), section 2.4, without normalisation by length.
    """
    rows = chosen(general, config.general_rows)
    if not rows:
        return {}
    choices = _choices(general, config)
    candidates = [_answered(row, choice) for row in rows for choice in choices or (row.answer,)]
    label = f"{config.subject} general rows"
    found = log_probabilities(engine, candidates, ctx, label=label)
    width = len(choices) or 1
    by_row = [found[i : i + width] for i in range(0, len(found), width)]
    places = [choices.index(row.answer) if choices else 0 for row in rows]
    ids = tuple(row.id for row in rows)
    expected = [line[place] for line, place in zip(by_row, places, strict=True)]
    nats, tokens = [-one.logprob for one in expected], [one.tokens for one in expected]
    kept = {PERPLEXITY: ByRow(ids, perplexity(nats, tokens))}
    if choices:
        hits = [_best(line) == place for line, place in zip(by_row, places, strict=True)]
        scorer = f"highest log-probability of {len(choices)} choices"
        kept[ACCURACY] = ByRow(ids, shares(hits, scorer=scorer))
    return kept


def _choices(general: Sequence[Conversation], config: ProbeConfig) -> tuple[str, ...]:
    """The distinct answers of all rows, when they are few; empty when they are free text."""
    distinct = sorted({row.answer for row in general})
    return tuple(distinct) if 2 <= len(distinct) <= config.most_choices else ()


def _answered(row: Conversation, answer: str) -> Conversation:
    return replace(row, messages=(*row.prompt, Message("assistant", answer)))


def _best(line: Sequence[AnswerLogProb]) -> int:
    return max(range(len(line)), key=lambda i: line[i].logprob)
