"""Corpus BLEU and chrF by the library `sacrebleu`, kept as sums so that they can be resampled."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from sacrebleu.metrics import BLEU, CHRF

from tunesmith.metrics.estimate import Floats
from tunesmith.metrics.row_scores import RowScores
from tunesmith.metrics.words import Language

ORDERS = 4
TOKENIZERS: dict[Language, str] = {"en": "13a", "zh": "zh"}
"""13a splits at spaces, so a Chinese sentence is one word and the score is 0."""


def bleu(predicted: Sequence[str], expected: Sequence[str], *, language: Language) -> RowScores:
    """Corpus BLEU in points of 100, one reference a row, exponential smoothing.

    Sums of a row: its length, the reference's length, matches of order 1 to 4, n-grams of order
    1 to 4. The value of one row alone is sentence BLEU without effective order.

    Source: Papineni et al. 2002 (P02-1040); Post 2018 (W18-6319) for the signature.
    """
    # effective_order changes only the sentence score, which is not used; it avoids a warning.
    by_row = BLEU(tokenize=TOKENIZERS[language], effective_order=True)
    lines = []
    for hypothesis, reference in zip(predicted, expected, strict=True):
        score = by_row.sentence_score(hypothesis, [reference])
        lines.append([score.sys_len, score.ref_len, *score.counts, *score.totals])
    sums = np.asarray(lines, dtype=np.float64).reshape(len(lines), 2 + 2 * ORDERS)
    corpus = BLEU(tokenize=TOKENIZERS[language])
    corpus.corpus_score([""], [[""]])  # the signature needs the number of references
    return RowScores("bleu", sums, "points of 100", f"BLEU|{corpus.get_signature()}")


def bleu_of_sums(sums_RK: Floats) -> Floats:
    """Corpus BLEU of each line of sums."""
    return np.asarray([_bleu([round(x) for x in line]) for line in sums_RK.tolist()])


def chrf(predicted: Sequence[str], expected: Sequence[str]) -> RowScores:
    """Corpus chrF2 in points of 100: character n-grams up to 6, recall counts twice.

    Source: Popović 2015 (W15-3049), eq. 1 with beta 2.
    """
    metric = CHRF()
    # sacrebleu has no public way to a row's statistics of chrF; the golden test guards this name.
    lines = metric._extract_corpus_statistics(list(predicted), [list(expected)])
    sums = np.asarray(lines, dtype=np.float64).reshape(len(lines), 3 * metric.order)
    return RowScores("chrf", sums, "points of 100", f"chrF|{metric.get_signature()}")


def chrf_of_sums(sums_RK: Floats) -> Floats:
    """Corpus chrF2 of each line of sums."""
    metric = CHRF()
    return np.asarray([metric._compute_f_score(line) for line in sums_RK.tolist()])


def _bleu(line: list[int]) -> float:
    score = BLEU.compute_bleu(
        correct=line[2 : 2 + ORDERS], total=line[2 + ORDERS :], sys_len=line[0], ref_len=line[1],
        smooth_method="exp",
    ).score  # fmt: skip
    assert math.isfinite(score), f"BLEU of {line} is {score}"
    return float(score)
