"""A project's settings: one section for each room, as they stand in ``tunesmith.yaml``."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from tunesmith.align.config import AlignConfig
from tunesmith.compress.config import CompressConfig
from tunesmith.core.config import Config, Resources
from tunesmith.evaluate.config import EvaluateConfig, GateConfig, ProbeConfig
from tunesmith.monitor.config import MonitorConfig
from tunesmith.plan.config import PlanConfig
from tunesmith.prepare.config import CollectConfig, CollectPreferencesConfig, PrepareConfig
from tunesmith.renew.config import PromoteConfig, ReplayConfig
from tunesmith.select.config import FetchConfig, SelectConfig
from tunesmith.serve.config import ServeConfig
from tunesmith.train.config import TrainConfig


class Round(Config):
    """What a round of renewal trains differently; absent: as in ``train``."""

    learning_rate: Annotated[float, Gt(0)] | None = None
    """As in ``train``."""
    num_train_epochs: Annotated[float, Gt(0)] | None = None
    """As in ``train``."""


class RenewConfig(Config):
    """A later file of rows, and how the next round is trained and judged."""

    rows: CollectConfig | None = None
    """The rows that arrived later; absent: no renewal."""
    train: Round = Round()
    replay: ReplayConfig = ReplayConfig()
    promote: PromoteConfig = PromoteConfig()


class ProjectConfig(Config):
    """Everything that ``tunesmith.yaml`` may say."""

    name: str = "project"
    """Shown in the report and the model card."""
    recipe: Literal["lifecycle", "sft", "dpo"] = "lifecycle"
    """Which steps are run, and how they are joined."""
    language: Literal["en", "zh"] = "en"
    """Language of the rows: decides how words are cut for ROUGE, BLEU and the data rules."""
    seed: Annotated[int, Ge(0), Le(2**31 - 1)] = 7
    """The one seed; every random stream is derived from it by name."""
    model: FetchConfig
    """The base model."""
    data: CollectConfig | None = None
    """Rows of the domain, to train on and to hold out."""
    general: CollectConfig | None = None
    """General rows that training must not make worse; absent: no retention probe."""
    preferences: CollectPreferencesConfig | None = None
    """Pairs of a better and a worse answer; absent: no alignment."""
    prepare: PrepareConfig = PrepareConfig()
    plan: PlanConfig = PlanConfig()
    select: SelectConfig = SelectConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    probe: ProbeConfig = ProbeConfig()
    gates: GateConfig = GateConfig()
    align: AlignConfig = AlignConfig()
    compress: CompressConfig = CompressConfig()
    serve: ServeConfig = ServeConfig()
    monitor: MonitorConfig = MonitorConfig()
    renew: RenewConfig = RenewConfig()
    resources: Resources = Resources()
    """What changes only speed or place; never part of a step's key."""
