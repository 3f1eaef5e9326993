"""Criteria against measured scores: pairs of the same rows, an interval, a decision, a reason."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from tunesmith.core.errors import ConfigError
from tunesmith.core.stage import GateResult
from tunesmith.core.table import nearest
from tunesmith.metrics.criterion import Comparison, Criterion
from tunesmith.metrics.estimate import Estimate
from tunesmith.metrics.row_scores import RowScores, difference
from tunesmith.metrics.scores import Scores
from tunesmith.metrics.win_rate import win_rate


@dataclass(frozen=True, slots=True)
class Pair:
    """One metric of the rows that both sides have, in one order."""

    name: str
    before: RowScores
    after: RowScores
    left_out: int
    """Rows that only one side has."""
    shared: float
    """Rows in common over the rows of the larger side."""

    @property
    def n(self) -> int:
        """Rows in common."""
        return len(self.before.sums)


@dataclass(frozen=True, slots=True)
class Decision:
    """A gate's result, and whether the rows could decide it at all."""

    result: GateResult
    decision: Literal["passed", "failed", "undecided"]
    rule: str

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values; an undecided criterion says so, though its gate counts as failed."""
        body = {key: value for key, value in asdict(self.result).items() if key != "passed"}
        return {**body, "rule": self.rule, "decision": self.decision}


def decide(
    criterion: Criterion, before: Scores, after: Scores, *, comparison: Comparison, seed: int
) -> Decision:
    """Whether ``criterion`` holds of ``after``, compared with ``before`` where it speaks of change."""
    _must_have(criterion, after)
    if criterion.rule in ("at_least", "at_most"):
        estimate = after.metrics[criterion.metric]
        blank = _blank(criterion, estimate, f"{after.subject}: {criterion.metric}")
        obstacle = _too_few(criterion, estimate.n, comparison)
        if obstacle:
            return _undecided(criterion, blank, obstacle)
        stand = f"{criterion.metric} is {estimate.value:.3f}"
        return _judged(criterion, blank, estimate, comparison, stand)
    _must_have(criterion, before)
    pair = paired(criterion.metric, before, after)
    gain = _gain(pair, criterion, comparison, seed) if pair and pair.n else None
    blank = _blank(criterion, gain, f"{after.subject} against {before.subject}: {criterion.metric}")
    obstacle = _obstacle(pair, comparison) or _too_few(criterion, pair.n if pair else 0, comparison)
    if obstacle or pair is None or gain is None:
        return _undecided(criterion, blank, obstacle or "no row is on both sides")
    return _judged(criterion, blank, gain, comparison, _change(criterion, pair, gain))


def paired(metric: str, before: Scores, after: Scores) -> Pair | None:
    """The rows of ``metric`` that both sides scored; None when it was not kept by row."""
    one, other = before.by_row.get(metric), after.by_row.get(metric)
    if one is None or other is None:
        return None
    place = {row_id: i for i, row_id in enumerate(other.ids)}
    kept = [i for i, row_id in enumerate(one.ids) if row_id in place]
    there = [place[one.ids[i]] for i in kept]
    left_out = len(one.ids) + len(other.ids) - 2 * len(kept)
    shared = len(kept) / max(len(one.ids), len(other.ids), 1)
    return Pair(metric, one.scores.take(kept), other.scores.take(there), left_out, shared)


def paired_table(
    before: Scores, after: Scores, *, comparison: Comparison, seed: int
) -> list[dict[str, Any]]:
    """Every metric that both sides kept by row: values, difference with interval, wins of ``after``."""
    pairs = [paired(name, before, after) for name in after.by_row]
    return [_line(pair, comparison, seed) for pair in pairs if pair and pair.n]


def _line(pair: Pair, comparison: Comparison, seed: int) -> dict[str, Any]:
    change = difference(
        pair.before, pair.after, seed=seed, resamples=comparison.resamples,
        confidence=comparison.confidence,
    )  # fmt: skip
    wins = win_rate(
        pair.before.by_row(), pair.after.by_row(), better=pair.after.better,
        confidence=comparison.confidence,
    )  # fmt: skip
    line = {
        "name": pair.name,
        "before": _total(pair.before),
        "after": _total(pair.after),
        "difference": change.value,
        "low": change.low,
        "high": change.high,
        "n": pair.n,
        "unit": change.unit,
        "better": pair.after.better,
        "win_rate": wins.as_dict(),
    }
    if pair.after.statistic == "share":
        from tunesmith.metrics.significance import mcnemar_of_rows

        line["mcnemar_p"] = mcnemar_of_rows(pair.before.by_row(), pair.after.by_row())
    return line


def _gain(pair: Pair, criterion: Criterion, comparison: Comparison, seed: int) -> Estimate:
    """Change for the better of a pair; its loss, with the sign turned, for ``at_most_loss``."""
    change = difference(
        pair.before, pair.after, seed=seed, resamples=comparison.resamples,
        confidence=comparison.confidence, relative=criterion.relative,
    )  # fmt: skip
    is_gain = criterion.rule == "at_least_gain"
    return change if (pair.after.better == "higher") == is_gain else _turned(change)


def _turned(change: Estimate) -> Estimate:
    return replace(change, value=-change.value, low=-change.high, high=-change.low)


def _judged(
    criterion: Criterion, blank: GateResult, estimate: Estimate, comparison: Comparison, stand: str
) -> Decision:
    """The decision; ``stand`` says where the metric stands, the rest of the reason what that means."""
    passed = _holds(criterion, estimate)
    percent = f"{100 * comparison.confidence:g} %"
    measured = f"{stand} ({percent} interval {_interval(criterion, estimate)}, {estimate.n} rows)"
    result = replace(blank, passed=passed, reason=f"{measured}; {_claim(criterion, passed=passed)}")
    return Decision(result, "passed" if passed else "failed", criterion.rule)


def _holds(criterion: Criterion, estimate: Estimate) -> bool:
    bound = criterion.threshold
    if criterion.rule in ("at_least_gain", "at_least"):
        end = {"proof": estimate.low, "harm": estimate.high, "value": estimate.value}
        proven = criterion.rule == "at_least" or criterion.burden == "harm" or estimate.low > 0
        return end[criterion.burden] >= bound and proven
    end = {"proof": estimate.high, "harm": estimate.low, "value": estimate.value}
    return end[criterion.burden] <= bound


def _change(criterion: Criterion, pair: Pair, estimate: Estimate) -> str:
    """For example: rouge1 went from 0.097 to 0.218, better by 0.122."""
    before, after = _total(pair.before), _total(pair.after)
    word = "better" if _is_gain(criterion, estimate) else "worse"
    size = _number(criterion, abs(estimate.value))
    return f"{criterion.metric} went from {before:.3f} to {after:.3f}, {word} by {size}"


def _interval(criterion: Criterion, estimate: Estimate) -> str:
    """Ends in the direction of the word that `_change` chose."""
    if criterion.rule in ("at_least", "at_most") or _is_gain(criterion, estimate) == (
        criterion.rule == "at_least_gain"
    ):
        ends = estimate.low, estimate.high
    else:
        ends = -estimate.high, -estimate.low
    return " to ".join(_number(criterion, end) for end in ends)


def _is_gain(criterion: Criterion, estimate: Estimate) -> bool:
    """Whether a change is for the better; no change goes by the name of the rule."""
    if criterion.rule == "at_least_gain":
        return estimate.value >= 0
    return estimate.value < 0


def _claim(criterion: Criterion, *, passed: bool) -> str:
    bound = (
        _number(criterion, criterion.threshold)
        if criterion.relative
        else f"{criterion.threshold:g}"
    )
    rule = {
        "at_least_gain": f"a gain of {'more than 0' if bound in ('0', '0 %') else f'at least {bound}'} is needed",
        "at_most_loss": f"a loss of at most {bound} is allowed",
        "at_least": f"at least {bound} is needed",
        "at_most": f"at most {bound} is allowed",
    }[criterion.rule]
    claim = {
        ("proof", True): "the whole interval is on the right side",
        ("proof", False): "the interval does not show it",
        ("harm", True): "the rows show no breach",
        ("harm", False): "the whole interval is beyond it",
        ("value", True): "the estimate meets it",
        ("value", False): "the estimate misses it, or the interval reaches 0",
    }[criterion.burden, passed]
    return f"{rule}, and {claim}"


def _number(criterion: Criterion, value: float) -> str:
    return f"{100 * value:.1f} %".replace(".0 %", " %") if criterion.relative else f"{value:.3f}"


def _total(scores: RowScores) -> float:
    return float(scores.of_sums(scores.sums.sum(axis=0, keepdims=True))[0])


def _obstacle(pair: Pair | None, comparison: Comparison) -> str:
    """Why a pair cannot be judged; empty when it can."""
    if pair is None:
        return "one of the two evaluations did not keep this metric by row"
    if pair.before.scorer != pair.after.scorer:
        return f"scored differently: {pair.before.scorer!r} before, {pair.after.scorer!r} after"
    if pair.shared < comparison.at_least_shared:
        return f"only {pair.n} rows are the same; {pair.left_out} are on one side only"
    return ""


def _too_few(criterion: Criterion, n: int, comparison: Comparison) -> str:
    """Why ``n`` rows cannot prove anything; empty when they can, or when harm is to be shown."""
    if criterion.burden == "harm" or n >= comparison.at_least_rows:
        return ""
    return f"{n} rows are too few to decide; {comparison.at_least_rows} are needed"


def _undecided(criterion: Criterion, blank: GateResult, obstacle: str) -> Decision:
    result = replace(blank, reason=f"undecided, so not passed: {obstacle}")
    return Decision(result, "undecided", criterion.rule)


def _blank(criterion: Criterion, estimate: Estimate | None, compared: str) -> GateResult:
    """A gate that has not passed yet, with its numbers."""
    result = GateResult(
        criterion.title, passed=False, reason="", compared=compared,
        threshold=criterion.threshold, blocking=criterion.blocking,
    )  # fmt: skip
    if estimate is None:
        return result
    return replace(
        result, value=estimate.value, low=estimate.low, high=estimate.high, n=estimate.n,
        unit=estimate.unit,
    )  # fmt: skip


def _must_have(criterion: Criterion, scores: Scores) -> None:
    if criterion.metric in scores.metrics:
        return
    near = nearest(criterion.metric, scores.metrics)
    hint = f"; did you mean {near!r}?" if near else ""
    raise ConfigError(
        f"criterion asks for {criterion.metric!r}, which {scores.subject!r} was not scored with{hint}",
        why="a rule about a number that was not measured cannot be decided",
        fix=f"use one of: {', '.join(sorted(scores.metrics)) or 'no metric at all'}",
        code="criterion-metric-unknown",
    )
