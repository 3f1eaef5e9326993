"""What a run would do: preview, reuse, and the keys that decide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tunesmith.backends.schedule import Order, Place, input_digests, preview, resolve_key, reusable
from tunesmith.core.artifact import Artifact, Draft
from tunesmith.core.config import Config, Resources
from tunesmith.core.graph import Pipeline, Step, build
from tunesmith.core.ledger import Ledger, Record, Result
from tunesmith.core.stage import Context


class Rows:
    """Rows."""

    name: ClassVar[str] = "rows"
    version: ClassVar[int] = 1


class Settings(Config):
    """Nothing much."""

    size: int = 1


@dataclass(frozen=True, slots=True)
class Inputs:
    """Many and optional."""

    many: tuple[Artifact[Rows], ...] = ()
    maybe: Artifact[Rows] | None = None


@dataclass(frozen=True, slots=True)
class Outputs:
    """Rows, and perhaps more."""

    rows: Draft[Rows]
    more: Draft[Rows] | None


class Make:
    """Makes."""

    name: ClassVar[str] = "make"
    version: ClassVar[int] = 1

    def run(self, config: Settings, inputs: Inputs, ctx: Context) -> Outputs:
        raise NotImplementedError


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    monkeypatch.setattr("tunesmith.core.graph.resolve", lambda _: Make)
    steps = [
        Step("a", "make", Settings()),
        Step("b", "make", Settings(), {"many": ("a.rows", "a.more"), "maybe": "a.more"}),
        Step("c", "make", Settings(size=2)),
    ]
    return build(steps, {"make": "x:Make"}, seed=3)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, tmp_path / "cache")


@pytest.fixture
def ledger(place: Place) -> Iterator[Ledger]:
    with Ledger(place.ledger) as opened:
        yield opened


def order(pipeline: Pipeline, **changes: Any) -> Order:
    return Order("run", pipeline, Resources(), frozenset("abc"), **changes)


def publish(place: Place, text: str) -> str:
    folder = place.project / "draft"
    folder.mkdir()
    (folder / "rows").write_text(text)
    return place.store().publish(Draft[Rows](folder), Rows).digest


def finish(
    place: Place, ledger: Ledger, pipeline: Pipeline, name: str, known: dict[str, Result]
) -> Result:
    key = resolve_key(pipeline, pipeline.step(name), known)
    assert key is not None
    outputs = {"rows": ("rows", publish(place, name))}
    ledger.acknowledge(Record(key, "make", 1, {}, 3, 0.5, 0, {}, outputs))
    result = ledger.result(key)
    assert result is not None
    return result


def statuses(rows: list[dict[str, Any]]) -> list[tuple[str, str, bool]]:
    return [(row["step"], row["status"], row["key"] is not None) for row in rows]


def test_before_the_first_run_only_steps_without_inputs_have_a_key(
    place: Place, pipeline: Pipeline
) -> None:
    rows = preview(order(pipeline), None, place.store())
    assert statuses(rows) == [("a", "run", True), ("b", "run", False), ("c", "run", True)]


def test_a_finished_step_is_reused_and_what_follows_gets_its_key(
    place: Place, ledger: Ledger, pipeline: Pipeline
) -> None:
    a = finish(place, ledger, pipeline, "a", {})
    assert statuses(preview(order(pipeline), ledger, place.store()))[:2] == [
        ("a", "reuse", True), ("b", "run", True),
    ]  # fmt: skip
    finish(place, ledger, pipeline, "b", {"a": a})
    finish(place, ledger, pipeline, "c", {})
    rows = preview(order(pipeline), ledger, place.store())
    assert {row["status"] for row in rows} == {"reuse"}


def test_a_step_to_be_run_afresh_is_not_reused(
    place: Place, ledger: Ledger, pipeline: Pipeline
) -> None:
    finish(place, ledger, pipeline, "a", {})
    rows = preview(order(pipeline, afresh=frozenset("a")), ledger, place.store())
    assert statuses(rows)[:2] == [("a", "run", True), ("b", "run", False)]


def test_only_wanted_steps_are_shown(place: Place, pipeline: Pipeline) -> None:
    wanted = Order("run", pipeline, Resources(), frozenset("c"))
    assert [row["step"] for row in preview(wanted, None, place.store())] == ["c"]


def test_an_output_that_was_left_out_is_left_out_of_the_inputs(pipeline: Pipeline) -> None:
    a = Result("key", "make", 0.0, 0, {"rows": ("rows", "d1")})
    assert input_digests(pipeline.step("b"), {"a": a}) == {"many": ("d1",)}
    whole = Result("key", "make", 0.0, 0, {"rows": ("rows", "d1"), "more": ("rows", "d2")})
    assert input_digests(pipeline.step("b"), {"a": whole}) == {"many": ("d1", "d2"), "maybe": "d2"}
    assert input_digests(pipeline.step("b"), {}) is None


def test_resources_do_not_move_a_key_and_settings_and_seed_do(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunesmith.core.graph.resolve", lambda _: Make)
    other = build(pipeline.steps, {"make": "x:Make"}, seed=4)
    key = resolve_key(pipeline, pipeline.step("a"), {})
    assert resolve_key(other, other.step("a"), {}) != key
    assert resolve_key(pipeline, pipeline.step("c"), {}) != key


def test_a_result_without_its_artefact_is_not_reused(
    place: Place, ledger: Ledger, pipeline: Pipeline
) -> None:
    result = finish(place, ledger, pipeline, "a", {})
    assert reusable(ledger, place.store(), result.key) == result
    (place.store().path(result.outputs["rows"][1]) / "rows").unlink()
    assert reusable(ledger, place.store(), result.key) is None
