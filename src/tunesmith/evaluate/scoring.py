"""Which function scores which metric of the settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tunesmith.core.stage import Context
from tunesmith.evaluate.answers import Answered
from tunesmith.evaluate.config import EvaluateConfig
from tunesmith.metrics.exact_match import normalise
from tunesmith.metrics.perplexity import bits_per_byte, perplexity
from tunesmith.metrics.row_scores import RowScores, means, shares
from tunesmith.ports import AnswerLogProb, Engine
from tunesmith.records.conversation import Conversation


def generated_scores(
    rows: Sequence[Conversation], answers: Sequence[Answered], config: EvaluateConfig
) -> dict[str, RowScores]:
    """The configured metrics that compare an answer with the expected one, or with its prompt."""
    said, expected = [answer.text for answer in answers], [row.answer for row in rows]
    measured = _rouge(said, expected, config)
    if "bleu" in config.metrics:
        from tunesmith.metrics.bleu import bleu

        measured["bleu"] = bleu(said, expected, language=config.language)
    if "chrf" in config.metrics:
        from tunesmith.metrics.bleu import chrf

        measured["chrf"] = chrf(said, expected)
    if "exact_match" in config.metrics:
        pairs = zip(said, expected, strict=True)
        hits = [normalise(one) == normalise(other) for one, other in pairs]
        measured["exact_match"] = shares(hits, scorer="exact match, normalised")
    if "f1" in config.metrics:
        from tunesmith.metrics.f1 import SCORER, token_f1

        measured["f1"] = means(token_f1(said, expected), unit="share", scorer=SCORER)
    if "unsupported" in config.metrics:
        from tunesmith.metrics.unsupported import unsupported

        prompts = ["\n".join(message.content for message in row.prompt) for row in rows]
        measured["unsupported"] = unsupported(prompts, said)
    return measured


def surprise_scores(
    engine: Engine, rows: Sequence[Conversation], config: EvaluateConfig, ctx: Context
) -> dict[str, RowScores]:
    """Perplexity and bits a byte of the expected answers, as far as they are configured."""
    wanted = {"perplexity", "bits_per_byte"} & set(config.metrics)
    if not wanted:
        return {}
    scored = log_probabilities(
        engine, rows, ctx, label=f"{config.subject} log-probabilities of expected answers"
    )
    nats = [-found.logprob for found in scored]
    measured = {
        "perplexity": perplexity(nats, [found.tokens for found in scored]),
        "bits_per_byte": bits_per_byte(nats, [row.answer for row in rows]),
    }
    return {name: kept for name, kept in measured.items() if name in wanted}


def log_probabilities(
    engine: Engine, rows: Sequence[Conversation], ctx: Context, *, label: str
) -> list[AnswerLogProb]:
    """Log-probability of each row's last message, in the order of the rows."""
    scored = _counted(engine.score([row.messages for row in rows]), len(rows), ctx, label)
    assert len(scored) == len(rows), f"{engine.name} scored {len(scored)} of {len(rows)} rows"
    return scored


def _counted(
    found: Iterable[AnswerLogProb], total: int, ctx: Context, label: str
) -> list[AnswerLogProb]:
    scored = []
    for one in found:
        scored.append(one)
        ctx.progress(len(scored), total, "rows", label)
    return scored


def _rouge(
    said: Sequence[str], expected: Sequence[str], config: EvaluateConfig
) -> dict[str, RowScores]:
    names = [name for name in config.metrics if name.startswith("rouge")]
    if not names:
        return {}
    from tunesmith.metrics.rouge import rouge, signature

    values = rouge(said, expected, language=config.language)
    scorer = signature(config.language)
    return {name: means(values[name], unit="F1", scorer=scorer) for name in names}
