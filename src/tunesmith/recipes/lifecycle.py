"""The recipes: which steps, joined how. A recipe is a function from settings to a list of steps."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from tunesmith.core.config import Config
from tunesmith.core.errors import ConfigError
from tunesmith.core.graph import Step
from tunesmith.prepare.config import CollectConfig, CollectPreferencesConfig
from tunesmith.recipes.project import ProjectConfig
from tunesmith.select.config import FetchConfig, SelectConfig
from tunesmith.sources.fetch import fingerprint

SourceConfig = TypeVar("SourceConfig", CollectConfig, CollectPreferencesConfig)


def lifecycle(project: ProjectConfig, folder: Path) -> list[Step]:
    """All six phases: baseline, data, choice, training, evaluation, compression, serving, renewal."""
    tuned = "align.tuned" if project.preferences else "train.tuned"
    steps = [*sft(project, folder), *_alignment(project, folder)]
    steps += [
        Step("compress", "compress", _in_language(project.compress, project),
             {"model": "fetch.model", "tuned": tuned, "rows": "prepare.test"}),
        Step("serve", "serve", project.serve,
             {"model": "fetch.model", "tuned": tuned, "compressed": "compress.compressed",
              "rows": "prepare.test"}),
        Step("monitor", "monitor", project.monitor, {"traces": "serve.traces"}),
    ]  # fmt: skip
    return [*steps, *_renewal(project, folder)]


def sft(project: ProjectConfig, folder: Path) -> list[Step]:
    """Baseline, data, choice, training and evaluation with gates."""
    data = _needed(project.data, "data", project.recipe)
    base = project.evaluate.model_copy(update={"subject": "base", "shots": project.plan.shots})
    after = project.evaluate.model_copy(update={"subject": "tuned", "shots": (0,)})
    return [
        Step("collect", "collect", _pinned(data, folder), verb="prepare"),
        Step("prepare", "prepare", _in_language(project.prepare, project), {"raw": "collect.rows"}),
        Step("fetch", "fetch", _pinned_model(project.model, folder), verb="plan"),
        Step("baseline", "evaluate", _in_language(base, project),
             {"model": "fetch.model", "rows": "prepare.test", "examples": "prepare.train"},
             verb="plan"),
        Step("plan", "plan", project.plan, {"baseline": "baseline.scores"}),
        Step("select", "select", _planned(project),
             {"model": "fetch.model", "rows": "prepare.train"}),
        Step("train", "train", project.train,
             {"model": "fetch.model", "train": "prepare.train", "valid": "prepare.valid",
              "choice": "select.choice"}),
        Step("evaluate", "evaluate", _in_language(after, project),
             {"model": "fetch.model", "rows": "prepare.test", "tuned": "train.tuned"}),
        *_probes(project, folder),
        Step("gate", "gate", project.gates, _gate_inputs(project), verb="evaluate"),
    ]  # fmt: skip


def dpo(project: ProjectConfig, folder: Path) -> list[Step]:
    """Alignment of the base model with preference pairs, without a round of supervised tuning."""
    pairs = _needed(project.preferences, "preferences", project.recipe)
    return [
        Step("fetch", "fetch", _pinned_model(project.model, folder), verb="select"),
        Step("preferences", "collect-preferences", _pinned(pairs, folder), verb="prepare"),
        Step("align", "align", project.align,
             {"model": "fetch.model", "pairs": "preferences.pairs"}),
    ]  # fmt: skip


def _probes(project: ProjectConfig, folder: Path) -> list[Step]:
    """The same small probes on the base and the tuned model; none without general rows."""
    if project.general is None:
        return []
    rows = {"model": "fetch.model", "general": "general.rows", "rows": "prepare.train",
            "held_out": "prepare.test"}  # fmt: skip
    before = project.probe.model_copy(update={"subject": "base"})
    after = project.probe.model_copy(update={"subject": "tuned"})
    return [
        Step("general", "collect", _pinned(project.general, folder), verb="evaluate"),
        Step("probe-base", "probe", _in_language(before, project), rows, verb="evaluate"),
        Step("probe-tuned", "probe", _in_language(after, project),
             {**rows, "tuned": "train.tuned"}, verb="evaluate"),
    ]  # fmt: skip


def _gate_inputs(project: ProjectConfig) -> dict[str, str | tuple[str, ...]]:
    inputs: dict[str, str | tuple[str, ...]] = {
        "before": "baseline.scores", "after": "evaluate.scores",
    }  # fmt: skip
    if project.general is not None:
        inputs |= {"probes_before": "probe-base.scores", "probes_after": "probe-tuned.scores"}
    return inputs


def _alignment(project: ProjectConfig, folder: Path) -> list[Step]:
    if project.preferences is None:
        return []
    return [
        Step("preferences", "collect-preferences", _pinned(project.preferences, folder), verb="align"),
        Step("align", "align", project.align,
             {"model": "fetch.model", "tuned": "train.tuned", "pairs": "preferences.pairs"}),
    ]  # fmt: skip


def _renewal(project: ProjectConfig, folder: Path) -> list[Step]:
    """A second round: later rows with replay, a new adapter grown from the last, judged again."""
    if project.renew.rows is None:
        return []
    train = project.train.model_copy(update=project.renew.train.model_dump(exclude_none=True))
    judge = project.evaluate.model_copy(update={"subject": "round 2", "shots": (0,)})
    later = project.prepare.model_copy(update={"split": project.prepare.split.without_test()})
    steps = [
        Step("later", "collect", _pinned(project.renew.rows, folder)),
        Step("prepare-later", "prepare", _in_language(later, project),
             {"raw": "later.rows", "against": ("prepare.test",)}),
        Step("replay", "replay", project.renew.replay,
             {"new": "prepare-later.train", "old": "prepare.train"}),
        Step("train-again", "train", train,
             {"model": "fetch.model", "train": "replay.rows", "valid": "prepare.valid",
              "choice": "select.choice", "start": "train.tuned"}),
        Step("evaluate-again", "evaluate", _in_language(judge, project),
             {"model": "fetch.model", "rows": "prepare.test", "tuned": "train-again.tuned"}),
        Step("promote", "promote", project.renew.promote,
             {"current": "evaluate.scores", "candidate": "evaluate-again.scores"}),
    ]  # fmt: skip
    return [Step(s.name, s.stage, s.config, s.inputs, verb="renew") for s in steps]


def _planned(project: ProjectConfig) -> SelectConfig:
    """The choice is planned with the settings that training will use."""
    train = project.train
    return project.select.model_copy(update={
        "lora": train.lora, "precision": train.precision,
        "num_train_epochs": train.num_train_epochs, "train_batch_size": train.train_batch_size,
        "max_length": train.max_length,
    })  # fmt: skip


ConfigT = TypeVar("ConfigT", bound=Config)


def _in_language(config: ConfigT, project: ProjectConfig) -> ConfigT:
    return config.model_copy(update={"language": project.language})


def _pinned(config: SourceConfig, folder: Path) -> SourceConfig:
    """The same settings with the content of their file in them, so that it is part of the key."""
    return config.model_copy(update={"fingerprint": fingerprint(config.rows, project=folder)})


def _pinned_model(config: FetchConfig, folder: Path) -> FetchConfig:
    return config.model_copy(update={"fingerprint": fingerprint(config.model, project=folder)})


def _needed(section: ConfigT | None, name: str, recipe: str) -> ConfigT:
    if section is None:
        raise ConfigError(
            f"the recipe {recipe} needs the section `{name}`",
            why="tunesmith.yaml has none, so there are no rows to work on",
            fix=f"add `{name}:` with `rows: FILE` to tunesmith.yaml, or choose another `recipe`",
            code="section-missing",
        )
    return section
