"""ROUGE by the library `rouge_score`, right in Chinese too."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from rouge_score import rouge_scorer

from tunesmith.metrics.words import Language, words

NAMES = ("rouge1", "rouge2", "rougeL")


def rouge(
    predicted: Sequence[str], expected: Sequence[str], *, language: Language
) -> dict[str, list[float]]:
    """F1 in [0, 1] of each row for rouge1, rouge2 and rougeL; an empty text scores 0.

    English: the library's tokenizer with the Porter stemmer. Chinese: characters, with runs of
    Latin letters and digits kept whole; the library's own tokenizer deletes every Chinese
    character and so gives 0.

    Source: Lin 2004 (W04-1013), sections 2 and 3.
    """
    tokenizer = _Characters() if language == "zh" else None
    scorer = rouge_scorer.RougeScorer(list(NAMES), use_stemmer=True, tokenizer=tokenizer)
    rows = [scorer.score(e, p) for p, e in zip(predicted, expected, strict=True)]
    return {name: [float(row[name].fmeasure) for row in rows] for name in NAMES}


def signature(language: Language) -> str:
    """Library, version and tokenizer, to be kept beside each score."""
    tokens = "characters" if language == "zh" else "words, Porter stemmer"
    return f"rouge_score {version('rouge_score')}, F1, {tokens}"


class _Characters:
    """The tokenizer's seam of rouge_score: an object with ``tokenize``."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)
