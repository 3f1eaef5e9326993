"""Settings of the stages ``replay`` and ``promote``."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Lt, MinLen

from tunesmith.core.config import Config
from tunesmith.metrics.criterion import Comparison, Criterion


class ReplayConfig(Config):
    """How many old rows a new round sees again."""

    replay_share: Annotated[float, Ge(0.0), Lt(1.0)] = 0.3
    """Share of old rows in the mix: against forgetting, as experience replay does (Rolnick et al. 2019,
    arXiv:1811.11682, use 0.5; the mission's mix of domain to general is 7:3)."""


class PromoteConfig(Config):
    """When a candidate takes the current model's place."""

    criteria: Annotated[tuple[Criterion, ...], MinLen(1)] = (
        Criterion(metric="rouge1", at_most_loss=0.02, name="no worse than the model in service"),
    )
    """Every one must hold of the candidate against the current model."""
    comparison: Comparison = Comparison()
    """How the rows are paired and resampled."""
