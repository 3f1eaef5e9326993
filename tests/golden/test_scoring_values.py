"""Metrics against the numbers of their reference implementations.

Computed with sacrebleu 2.6.0, rouge_score 0.1.2 and scipy 1.17.1; McNemar and pass@k also by hand.
"""

import math

import pytest
import sacrebleu

from tunesmith.metrics.bleu import bleu, chrf
from tunesmith.metrics.pass_at_k import pass_at_k
from tunesmith.metrics.rouge import rouge
from tunesmith.metrics.significance import mcnemar

SAID = ["The cat sat on the mat.", "It is raining today"]
MEANT = ["The cat is sitting on the mat.", "It is raining today"]
LONG = ["a b c d e f", "x y", "", "the cat the cat on it", "q w e r t y u"]
LONG_MEANT = ["a b c d f e", "x z y", "k", "the cat was on it", "q w e r t"]


def test_bleu_is_sacrebleus() -> None:
    value = bleu(SAID, MEANT, language="en").estimate(seed=1).value
    assert math.isclose(value, 57.8948429913502, rel_tol=1e-12)


def test_chrf_is_sacrebleus() -> None:
    assert math.isclose(chrf(SAID, MEANT).estimate(seed=1).value, 69.55318525064088, rel_tol=1e-12)


@pytest.mark.parametrize("rows", [[0, 1, 2, 3, 4], [3, 3, 0], [1], [2], [4, 1, 1, 1]])
def test_sums_of_any_rows_give_the_corpus_score_of_those_rows(rows: list[int]) -> None:
    said, meant = [LONG[i] for i in rows], [LONG_MEANT[i] for i in rows]
    kept, kept_chrf = (
        bleu(LONG, LONG_MEANT, language="en").take(rows),
        chrf(LONG, LONG_MEANT).take(rows),
    )
    ours = kept.of_sums(kept.sums.sum(axis=0, keepdims=True))[0]
    assert math.isclose(
        ours, sacrebleu.corpus_bleu(said, [meant]).score, rel_tol=1e-12, abs_tol=1e-12
    )
    ours = kept_chrf.of_sums(kept_chrf.sums.sum(axis=0, keepdims=True))[0]
    assert math.isclose(
        ours, sacrebleu.corpus_chrf(said, [meant]).score, rel_tol=1e-12, abs_tol=1e-12
    )


def test_the_signature_is_sacrebleus() -> None:
    assert bleu(SAID, MEANT, language="en").scorer.startswith(
        "BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:"
    )


def test_rouge_is_rouge_scores() -> None:
    found = rouge(SAID[:1], MEANT[:1], language="en")
    values = {name: round(rows[0], 6) for name, rows in found.items()}
    assert values == {"rouge1": 0.769231, "rouge2": 0.545455, "rougeL": 0.769231}


@pytest.mark.parametrize(
    ("n", "c", "k", "value"), [(200, 10, 10, 0.40854786608141724), (10, 3, 5, 0.9166666666666666)]
)
def test_pass_at_k_is_the_unbiased_one(n: int, c: int, k: int, value: float) -> None:
    assert math.isclose(pass_at_k(n, c, k), value, rel_tol=1e-12)


def test_mcnemar_is_exact() -> None:
    assert math.isclose(mcnemar(5, 15), 0.04138946533203125, rel_tol=1e-12)
