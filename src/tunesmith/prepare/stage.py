"""The stages of this room: collect rows, collect preferences, prepare rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tunesmith.core.artifact import Artifact, Draft
from tunesmith.core.stage import Context
from tunesmith.kinds import Conversations, DataCard, Preferences
from tunesmith.prepare.config import CollectConfig, CollectPreferencesConfig, PrepareConfig


@dataclass(frozen=True, slots=True)
class CollectInputs:
    """Nothing: the source is named in the settings."""


@dataclass(frozen=True, slots=True)
class CollectOutputs:
    """Rows as they were found, in one format."""

    rows: Draft[Conversations]


@dataclass(frozen=True, slots=True)
class CollectPreferencesOutputs:
    """Pairs as they were found, in one format."""

    pairs: Draft[Preferences]


@dataclass(frozen=True, slots=True)
class PrepareInputs:
    """Collected rows, and test rows of other preparations that must not be trained on."""

    raw: Artifact[Conversations]
    against: tuple[Artifact[Conversations], ...] = ()


@dataclass(frozen=True, slots=True)
class PrepareOutputs:
    """Rows fit to train on, in three splits, and the card that says what was done."""

    train: Draft[Conversations]
    valid: Draft[Conversations]
    test: Draft[Conversations]
    card: Draft[DataCard]


class Collect:
    """A file, package, hub or link -> conversations in one format."""

    name: ClassVar[str] = "collect"
    version: ClassVar[int] = 1

    def run(self, config: CollectConfig, inputs: CollectInputs, ctx: Context) -> CollectOutputs:
        """Read and convert every row; bad ones are counted by reason, in the file's order."""
        from tunesmith.prepare.collecting import Collector
        from tunesmith.prepare.makers import conversation_maker
        from tunesmith.records.rows import write_conversations

        folder = ctx.draft("rows")
        collector = Collector(
            config, lambda first, file: conversation_maker(config, first, file), ctx
        )
        write_conversations(folder, collector.rows())
        collector.report()
        return CollectOutputs(rows=Draft(folder))


class CollectPreferences:
    """A file, package, hub or link -> pairs of a better and a worse answer."""

    name: ClassVar[str] = "collect-preferences"
    version: ClassVar[int] = 1

    def run(
        self, config: CollectPreferencesConfig, inputs: CollectInputs, ctx: Context
    ) -> CollectPreferencesOutputs:
        """Read and convert every pair; bad ones are counted by reason, in the file's order."""
        from tunesmith.prepare.collecting import Collector
        from tunesmith.prepare.makers import preference_maker
        from tunesmith.records.rows import write_preferences

        folder = ctx.draft("pairs")
        collector = Collector(
            config, lambda first, file: preference_maker(config, first, file), ctx
        )
        write_preferences(folder, collector.rows())
        collector.report()
        return CollectPreferencesOutputs(pairs=Draft(folder))


class Prepare:
    """Collected conversations -> conversations fit to train on, in three splits."""

    name: ClassVar[str] = "prepare"
    version: ClassVar[int] = 2

    def run(self, config: PrepareConfig, inputs: PrepareInputs, ctx: Context) -> PrepareOutputs:
        """Mend, mask, filter, split and check for leaks; the order of the kept rows stays."""
        from tunesmith.prepare.preparation import prepare

        against = [artifact.path for artifact in inputs.against]
        folders = prepare(config, inputs.raw.path, against, ctx)
        return PrepareOutputs(
            train=Draft(folders["train"]),
            valid=Draft(folders["valid"]),
            test=Draft(folders["test"]),
            card=Draft(folders["card"]),
        )
