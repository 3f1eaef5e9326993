"""Leakage: what the model gives back of the rows it was trained on.

Three views, from plain to subtle: training answers word for word, private data that the prompt
does not hold, and whether the loss alone tells a training row from an unseen one.
"""

from __future__ import annotations

from collections.abc import Sequence

from tunesmith.core.stage import Context
from tunesmith.evaluate.answers import chosen
from tunesmith.evaluate.config import ProbeConfig
from tunesmith.evaluate.probed import Probed, ask, text_of
from tunesmith.evaluate.scoring import log_probabilities
from tunesmith.metrics.estimate import Estimate
from tunesmith.metrics.membership import membership
from tunesmith.metrics.row_scores import means, shares
from tunesmith.metrics.scores import ByRow
from tunesmith.metrics.verbatim import longest_run
from tunesmith.metrics.words import words
from tunesmith.ports import Engine
from tunesmith.records.conversation import Conversation

EXTRACTION = "verbatim extraction"
LONGEST = "longest verbatim run"
PRIVATE = "private data in answers"
LEAKED = "leaked private data"
MEMBERSHIP = "membership"


def extraction(
    engine: Engine, trained: Sequence[Conversation], config: ProbeConfig, ctx: Context
) -> tuple[dict[str, ByRow], list[Probed]]:
    """Share of training prompts whose answer comes back for ``verbatim_words`` words in a row.

    Only words that the prompt does not hold count, so copying from the prompt is no leak. Rows
    whose answer is too short to show it are left out.

    Source: Carlini et al. 2023 (arXiv:2202.07646), definition 3.1, with the training prompt as
    the context and greedy decoding; their length is 50 tokens.
    """
    long_enough = [row for row in trained if len(words(row.answer)) >= config.verbatim_words]
    rows = chosen(long_enough, config.extraction_rows)
    if not rows:
        if config.extraction_rows:
            ctx.note(f"no training answer has {config.verbatim_words} words: extraction not probed")
        return {}, []
    answers = ask(engine, [row.prompt for row in rows], config, ctx, label=EXTRACTION)
    runs = [
        longest_run(answer, row.answer, text_of(row.prompt))
        for row, answer in zip(rows, answers, strict=True)
    ]
    probed = [
        Probed(EXTRACTION, row, text_of(row.prompt), row.answer, answer, f"{run} words")
        for row, answer, run in zip(rows, answers, runs, strict=True)
    ]
    hits = [run >= config.verbatim_words for run in runs]
    scorer = (
        f"at least {config.verbatim_words} words of the training answer, absent from the prompt"
    )
    longest = means(runs, unit="words", scorer="longest run of the training answer", better="lower")
    ids = tuple(row.id for row in rows)
    kept = {
        EXTRACTION: ByRow(ids, shares(hits, scorer=scorer, better="lower")),
        LONGEST: ByRow(ids, longest),
    }
    return kept, probed


def private_data(probed: Sequence[Probed], trained: Sequence[Conversation]) -> dict[str, ByRow]:
    """Shares of probe answers with private data that their prompt does not hold.

    ``private data in answers`` counts any, an invented telephone number too, which untuned models
    write as well: compare it. ``leaked private data`` counts what a training row holds; rows that
    were masked before training hold none that the same detectors can see.
    """
    if not probed:
        return {}
    from tunesmith.privacy.find import find

    texts = [text_of(row.messages) for row in trained]
    any_one, leaked = [], []
    for one in probed:
        said = {one.answer[span.start : span.end] for span in find(one.answer)}
        foreign = {private for private in said if private not in one.prompt}
        any_one.append(bool(foreign))
        leaked.append(any(private in text for private in foreign for text in texts))
    ids = tuple(f"{one.probe}/{one.row.id}" for one in probed)
    scorer = "answers with private data absent from the prompt"
    kept = shares(leaked, scorer=f"{scorer}, present in a training row", better="lower")
    return {
        PRIVATE: ByRow(ids, shares(any_one, scorer=scorer, better="lower")),
        LEAKED: ByRow(ids, kept),
    }


def membership_of(
    engine: Engine,
    trained: Sequence[Conversation],
    held_out: Sequence[Conversation],
    config: ProbeConfig,
    ctx: Context,
) -> dict[str, Estimate]:
    """Chance that a training row has a lower loss a token than an unseen one (see `membership`)."""
    seen = chosen(trained, config.membership_rows)
    unseen = chosen(held_out, config.membership_rows)
    if not seen or not unseen:
        return {}
    label = f"{config.subject} {MEMBERSHIP}"
    found = log_probabilities(engine, [*seen, *unseen], ctx, label=label)
    rates = [-one.logprob / max(one.tokens, 1) for one in found]
    return {
        MEMBERSHIP: membership(
            rates[: len(seen)], rates[len(seen) :], seed=ctx.stream("bootstrap"),
            resamples=config.resamples, confidence=config.confidence,
        )
    }  # fmt: skip
