"""What must hold of a metric, as data: gates and promotions are lists of these."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt
from pydantic import model_validator

from tunesmith.core.config import Config

Rule = Literal["at_least_gain", "at_most_loss", "at_least", "at_most"]
RULES: tuple[Rule, ...] = ("at_least_gain", "at_most_loss", "at_least", "at_most")


class Criterion(Config):
    """One rule about one metric. Give exactly one of the four bounds.

    A gain is a change for the better, whichever way the metric runs: a lower perplexity is a gain.
    """

    metric: str
    """Name in the scores, such as ``rouge1``, ``rouge1 3-shot`` or ``retention perplexity``."""
    at_least_gain: float | None = None
    """Paired gain over the model before must be more than 0 and at least this much."""
    at_most_loss: Annotated[float, Ge(0.0)] | None = None
    """Paired loss against the model before may be this much."""
    at_least: float | None = None
    """Lower bound of the metric itself."""
    at_most: float | None = None
    """Upper bound of the metric itself."""
    relative: bool = False
    """Gain or loss as a share of the value before; the sensible way for perplexity."""
    decide_by: Literal["usual", "proof", "harm", "value"] = "usual"
    """``proof``: the whole interval must be on the good side of the bound. ``harm``: fails only when
    the whole interval is on the bad side. ``value``: the estimate must be on the good side, and a
    gain's interval must lie above 0. ``usual``: proof for at_least_gain and at_least, harm for
    at_most_loss and at_most."""
    name: str = ""
    """Name of the gate in the report; empty: made from the metric and the rule."""
    blocking: bool = True
    """Whether a failure stops the pipeline; otherwise it only informs."""

    @model_validator(mode="after")
    def _exactly_one_bound(self) -> Criterion:
        given = [rule for rule in RULES if getattr(self, rule) is not None]
        if len(given) != 1:
            raise ValueError(
                f"criterion for {self.metric!r} has {len(given)} bounds ({', '.join(given)}); "
                f"give exactly one of {', '.join(RULES)}"
            )
        if self.relative and given[0] not in ("at_least_gain", "at_most_loss"):
            raise ValueError(f"relative has no meaning with {given[0]}")
        return self

    @property
    def rule(self) -> Rule:
        """Which of the four bounds is given."""
        return next(rule for rule in RULES if getattr(self, rule) is not None)

    @property
    def threshold(self) -> float:
        """The bound itself."""
        return float(getattr(self, self.rule))

    @property
    def title(self) -> str:
        """The name given, or for example ``rouge1 improves``."""
        if self.name:
            return self.name
        bound = f"{self.threshold:g}"
        return {
            "at_least_gain": f"{self.metric} improves",
            "at_most_loss": f"{self.metric} holds",
            "at_least": f"{self.metric} at least {bound}",
            "at_most": f"{self.metric} at most {bound}",
        }[self.rule]

    @property
    def burden(self) -> Literal["proof", "harm", "value"]:
        """`decide_by` with ``usual`` resolved."""
        if self.decide_by != "usual":
            return self.decide_by
        return "proof" if self.rule in ("at_least_gain", "at_least") else "harm"


class Comparison(Config):
    """How two evaluations are compared."""

    confidence: Annotated[float, Gt(0.5), Lt(1.0)] = 0.95
    """Of each interval. Several criteria are not corrected for one another."""
    resamples: Annotated[int, Ge(100)] = 2000
    """Bootstrap resamples; Efron and Tibshirani 1993, section 13.3, ask 1000 for 95 % ends."""
    at_least_rows: Annotated[int, Ge(1)] = 10
    """With fewer rows in common (or measured, for a bound on the metric itself) a criterion that asks for
    proof or a value is undecided, which counts as failed: a percentile bootstrap of under ten rows covers far
    less than it says. A criterion that fails on harm only is judged with any number: there a too narrow
    interval errs on the strict side."""
    at_least_shared: Annotated[float, Gt(0.0)] = 0.9
    """Share of each side's rows that the other side must have too; below it: undecided."""
