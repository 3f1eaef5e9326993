from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.artifact import Draft
from tunesmith.core.errors import ConfigError
from tunesmith.core.ledger import Ledger, Record
from tunesmith.core.store import Store
from tunesmith.kinds import Compressed, Model, Tuned, Verdict
from tunesmith.report.shipped import open_shipped, shipped


class Project:
    """A ledger and a store to which steps are added one by one."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, Store(folder / "store")
        self.ledger = Ledger(folder / "ledger.sqlite")
        self.ledger.start_run(
            "r", recipe="lifecycle", seed=7, settings={}, provenance={}, machine={}, versions={}
        )
        self.count = 0

    def step(self, name: str, stage: str, output: str, kind: Any, *, verb: str = "", inputs: tuple[str, ...] = (),
             gate: str = "", file: str = "f.json") -> str:  # fmt: skip
        draft = self.folder / f"draft-{self.count}"
        draft.mkdir()
        (draft / file).write_text(name)
        digest = self.store.publish(Draft(draft), kind).digest
        if gate:
            self.ledger.add_events(name, [{"at": 1.0, "kind": "gate", "name": "g", "decision": gate,
                                           "reason": "", "blocking": False}])  # fmt: skip
        self.ledger.acknowledge(Record(name, stage, 1, {}, 7, 1.0, 0, {f"i{i}": d for i, d in enumerate(inputs)},
                                       {output: (kind.name, digest)}))  # fmt: skip
        self.ledger.set_step(
            "r", self.count, name, stage=stage, verb=verb or stage, key=name, status="done"
        )
        self.count += 1
        return digest


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path)
    yield made
    made.ledger.close()


def tuned_twice(project: Project, gate: str) -> tuple[str, str]:
    project.step("fetch", "fetch", "model", Model)
    first = project.step("train", "train", "tuned", Tuned)
    project.step(
        "compress", "compress", "compressed", Compressed, inputs=(first,), file="q8_0.gguf"
    )
    second = project.step("train-again", "train", "tuned", Tuned, verb="renew", inputs=(first,))
    project.step("promote", "promote", "verdict", Verdict, verb="renew", gate=gate)
    return first, second


def test_a_promoted_round_is_the_one_to_use_and_has_no_gguf_yet(project: Project) -> None:
    _, second = tuned_twice(project, "passed")
    parts = shipped(project.ledger, project.store, "r")
    assert parts.tuned == project.store.path(second)
    assert parts.gguf is None


@pytest.mark.parametrize("gate", ["failed", "undecided"])
def test_a_round_that_was_not_promoted_is_not_used(project: Project, gate: str) -> None:
    first, _ = tuned_twice(project, gate)
    parts = shipped(project.ledger, project.store, "r")
    assert parts.tuned == project.store.path(first)
    assert parts.gguf is not None
    assert parts.gguf.name == "q8_0.gguf"


def test_a_round_that_was_never_judged_is_not_used(project: Project) -> None:
    project.step("fetch", "fetch", "model", Model)
    first = project.step("train", "train", "tuned", Tuned)
    project.step("train-again", "train", "tuned", Tuned, verb="renew")
    assert shipped(project.ledger, project.store, "r").tuned == project.store.path(first)


def test_a_run_that_only_fetched_a_model_ships_the_base(project: Project) -> None:
    project.step("fetch", "fetch", "model", Model)
    parts = shipped(project.ledger, project.store, "r")
    assert parts.tuned is None
    with pytest.raises(ConfigError, match="no GGUF"):
        open_shipped(parts, "llama.cpp", None)  # type: ignore[arg-type]


def test_a_run_without_a_model_says_how_to_get_one(project: Project) -> None:
    with pytest.raises(ConfigError, match="no model yet"):
        shipped(project.ledger, project.store, "r")
