"""Criteria against scores: what passes, what fails, what cannot be decided."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tunesmith.core.config import parse
from tunesmith.core.errors import ConfigError, DataError
from tunesmith.metrics.criterion import Comparison, Criterion
from tunesmith.metrics.decide import Decision, decide, paired, paired_table
from tunesmith.metrics.perplexity import perplexity
from tunesmith.metrics.row_scores import RowScores, means, shares
from tunesmith.metrics.scores import ByRow, Scores, merged, read_scores, shot_name, write_scores

WORSE = [0.10, 0.12, 0.08, 0.20, 0.15, 0.11, 0.09, 0.13, 0.14, 0.16, 0.10, 0.12]
BETTER = [value + 0.1 + 0.01 * (i % 4) for i, value in enumerate(WORSE)]


def scores(subject: str, ids: Sequence[str] = (), **by_row: RowScores) -> Scores:
    kept = {
        name: ByRow(tuple(ids) or tuple(f"r{i}" for i in range(len(rows.sums))), rows)
        for name, rows in by_row.items()
    }
    metrics = {name: one.scores.estimate(seed=1, resamples=200) for name, one in kept.items()}
    return Scores(subject, 12, metrics, kept, {"language": "en"})


def rouge(values: Sequence[float], scorer: str = "rouge") -> RowScores:
    return means(values, unit="F1", scorer=scorer)


def decided(criterion: Criterion, before: Scores, after: Scores) -> Decision:
    return decide(criterion, before, after, comparison=Comparison(resamples=200), seed=1)


BASE, TUNED = scores("base", rouge1=rouge(WORSE)), scores("tuned", rouge1=rouge(BETTER))


@pytest.mark.parametrize(
    ("bound", "decision"),
    [
        ({"at_least_gain": 0.0}, "passed"),
        ({"at_least_gain": 0.2}, "failed"),
        ({"at_most_loss": 0.0}, "passed"),
        ({"at_least": 0.15}, "passed"),
        ({"at_least": 0.5}, "failed"),
        ({"at_most": 0.5}, "passed"),
        ({"at_most": 0.1}, "failed"),
    ],
)
def test_a_better_model_passes_what_it_reaches(bound: dict[str, float], decision: str) -> None:
    assert decided(Criterion(metric="rouge1", **bound), BASE, TUNED).decision == decision


def test_a_worse_model_fails_both_rules_of_change() -> None:
    assert decided(Criterion(metric="rouge1", at_least_gain=0.0), TUNED, BASE).decision == "failed"
    assert decided(Criterion(metric="rouge1", at_most_loss=0.02), TUNED, BASE).decision == "failed"


def test_an_equal_model_has_not_improved_and_has_not_been_harmed() -> None:
    assert decided(Criterion(metric="rouge1", at_least_gain=0.0), BASE, BASE).decision == "failed"
    assert decided(Criterion(metric="rouge1", at_most_loss=0.0), BASE, BASE).decision == "passed"


def test_a_gain_decided_by_value_needs_the_value_and_an_interval_above_nothing() -> None:
    rule = Criterion(metric="rouge1", at_least_gain=0.114, decide_by="value")
    strict = Criterion(metric="rouge1", at_least_gain=0.114)
    assert decided(rule, BASE, TUNED).decision == "passed"
    assert decided(strict, BASE, TUNED).decision == "failed"


def test_a_lower_perplexity_is_a_gain() -> None:
    high = scores("base", perplexity=perplexity([4.0 + i % 3 for i in range(12)], [1] * 12))
    low = scores("tuned", perplexity=perplexity([2.0 + i % 3 for i in range(12)], [1] * 12))
    gain = Criterion(metric="perplexity", at_least_gain=0.5, relative=True)
    assert decided(gain, high, low).decision == "passed"
    assert (
        decided(Criterion(metric="perplexity", at_most_loss=0.1, relative=True), low, high).decision
        == "failed"
    )


def test_a_loss_lies_in_its_interval() -> None:
    result = decided(Criterion(metric="rouge1", at_most_loss=0.5), TUNED, BASE).result
    assert result.value is not None
    assert result.low is not None
    assert result.high is not None
    assert 0 < result.low < result.value < result.high


def test_rows_are_paired_by_id_whatever_their_order() -> None:
    ids = [f"r{i}" for i in range(12)]
    turned = scores("tuned", ids[::-1], rouge1=rouge(BETTER[::-1]))
    assert paired_table(BASE, turned, comparison=Comparison(), seed=1) == paired_table(
        BASE, TUNED, comparison=Comparison(), seed=1
    )


def test_other_rows_leave_a_change_undecided() -> None:
    other = scores("tuned", [f"r{i + 4}" for i in range(12)], rouge1=rouge(BETTER))
    found = decided(Criterion(metric="rouge1", at_least_gain=0.0), BASE, other)
    assert found.decision == "undecided"
    assert not found.result.passed
    assert "only 8 rows are the same" in found.result.reason


def test_too_few_rows_prove_nothing_but_may_show_harm() -> None:
    few, worse = scores("base", rouge1=rouge(BETTER[:3])), scores("tuned", rouge1=rouge(WORSE[:3]))
    assert (
        decided(Criterion(metric="rouge1", at_least_gain=0.0), worse, few).decision == "undecided"
    )
    assert decided(Criterion(metric="rouge1", at_least=0.0), worse, few).decision == "undecided"
    assert decided(Criterion(metric="rouge1", at_most_loss=0.01), few, worse).decision == "failed"
    assert decided(Criterion(metric="rouge1", at_most_loss=0.01), worse, few).decision == "passed"


def test_scores_of_different_scorers_are_not_compared() -> None:
    other = scores("tuned", rouge1=rouge(BETTER, scorer="another rouge"))
    found = decided(Criterion(metric="rouge1", at_least_gain=0.0), BASE, other)
    assert found.decision == "undecided"
    assert "another rouge" in found.result.reason


def test_one_leak_of_twelve_is_harm_where_none_is_allowed() -> None:
    clean = scores("tuned", leaks=shares([False] * 12, scorer="", better="lower"))
    leaky = scores("tuned", leaks=shares([True] + [False] * 11, scorer="", better="lower"))
    rule = Criterion(metric="leaks", at_most=0.0)
    assert decided(rule, clean, clean).decision == "passed"
    assert decided(rule, clean, leaky).decision == "failed"


def test_an_unknown_metric_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError) as raised:
        decided(Criterion(metric="rouge_1", at_least=0.1), BASE, TUNED)
    assert raised.value.code == "criterion-metric-unknown"
    assert "'rouge1'" in raised.value.what


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"at_least": 1.0, "at_most": 2.0},
        {"at_least": 0.1, "relative": True},
        {"at_most_loss": -1},
    ],
)
def test_a_criterion_without_exactly_one_sensible_bound_is_refused(
    values: dict[str, object],
) -> None:
    with pytest.raises(ConfigError):
        parse(Criterion, {"metric": "rouge1", **values}, source="test")


def test_a_gate_tells_all_its_numbers() -> None:
    result = decided(
        Criterion(metric="rouge1", at_least_gain=0.0, blocking=False), BASE, TUNED
    ).result
    assert (result.name, result.n, result.threshold, result.unit) == (
        "rouge1 improves",
        12,
        0.0,
        "F1",
    )
    assert result.compared == "tuned against base: rouge1"
    assert result.value is not None
    assert 0.1 < result.value < 0.13
    assert "12 rows" in result.reason
    assert not result.blocking


def test_the_paired_table_has_wins_and_for_shares_mcnemar() -> None:
    before = scores("base", rouge1=rouge(WORSE), right=shares([False] * 12, scorer=""))
    after = scores("tuned", rouge1=rouge(BETTER), right=shares([True] * 12, scorer=""))
    lines = {
        line["name"]: line for line in paired_table(before, after, comparison=Comparison(), seed=1)
    }
    assert lines["rouge1"]["win_rate"]["value"] == 1.0
    assert lines["right"]["mcnemar_p"] == pytest.approx(2 * 0.5**12)
    assert lines["right"]["difference"] == 1.0


def test_scores_come_back_from_their_folder(tmp_path: Path) -> None:
    written = scores("tuned", rouge1=rouge(BETTER), perplexity=perplexity([1.5] * 12, [2] * 12))
    write_scores(tmp_path, written)
    found = read_scores(tmp_path)
    assert found.metrics == written.metrics
    assert found.signature == written.signature
    assert paired("rouge1", found, written) is not None
    assert found.by_row["perplexity"].scores.sums.tolist() == [[1.5, 2.0]] * 12
    assert found.by_row["perplexity"].scores.better == "lower"


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    write_scores(tmp_path, BASE)
    path = tmp_path / "scores.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 9'))
    with pytest.raises(DataError) as raised:
        read_scores(tmp_path)
    assert raised.value.code == "scores-format"


def test_probes_join_the_evaluation_of_their_subject() -> None:
    probes = scores("tuned", leaks=shares([False] * 12, scorer="", better="lower"))
    both = merged(TUNED, probes)
    assert set(both.metrics) == {"rouge1", "leaks"}
    assert set(both.by_row) == {"rouge1", "leaks"}


def test_a_metric_is_named_by_its_examples() -> None:
    assert (shot_name("rouge1", 0), shot_name("rouge1", 3)) == ("rouge1", "rouge1 3-shot")


@pytest.mark.parametrize(
    ("bound", "before", "after", "sentence"),
    [
        ({"at_least_gain": 0.0}, BASE, TUNED,
         "rouge1 went from 0.125 to 0.240, better by 0.115 (95 % interval 0.109 to 0.121, 12 rows); "
         "a gain of more than 0 is needed, and the whole interval is on the right side"),
        ({"at_most_loss": 0.02}, BASE, TUNED,
         "rouge1 went from 0.125 to 0.240, better by 0.115 (95 % interval 0.109 to 0.121, 12 rows); "
         "a loss of at most 0.02 is allowed, and the rows show no breach"),
        ({"at_most_loss": 0.02}, TUNED, BASE,
         "rouge1 went from 0.240 to 0.125, worse by 0.115 (95 % interval 0.109 to 0.121, 12 rows); "
         "a loss of at most 0.02 is allowed, and the whole interval is beyond it"),
        ({"at_least": 0.5}, BASE, TUNED,
         "rouge1 is 0.240 (95 % interval 0.222 to 0.261, 12 rows); "
         "at least 0.5 is needed, and the interval does not show it"),
        ({"at_most_loss": 0.25, "relative": True}, BASE, TUNED,
         "rouge1 went from 0.125 to 0.240, better by 92 % (95 % interval 77.6 % to 107 %, 12 rows); "
         "a loss of at most 25 % is allowed, and the rows show no breach"),
    ],
)  # fmt: skip
def test_the_reason_is_a_sentence_in_the_direction_of_the_change(
    bound: dict[str, float], before: Scores, after: Scores, sentence: str
) -> None:
    reason = decided(Criterion(metric="rouge1", **bound), before, after).result.reason
    assert re.sub(r"interval .*?,", "interval X,", reason) == re.sub(
        r"interval .*?,", "interval X,", sentence
    )
    found, meant = (re.findall(r"interval (.*?) to (.*?),", text)[0] for text in (reason, sentence))
    assert [float(end.rstrip(" %")) for end in found] == pytest.approx(
        [float(end.rstrip(" %")) for end in meant], rel=0.1
    )
