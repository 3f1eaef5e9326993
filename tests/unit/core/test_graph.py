"""Pipelines: ordered, joined by kind, and refused with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.artifact import Artifact, Draft
from tunesmith.core.config import Config
from tunesmith.core.errors import ConfigError
from tunesmith.core.graph import Pipeline, Step, build, signature, step_key
from tunesmith.core.stage import Context


class Rows:
    """Rows."""

    name: ClassVar[str] = "rows"
    version: ClassVar[int] = 1


class Model:
    """A model."""

    name: ClassVar[str] = "model"
    version: ClassVar[int] = 1


class Settings(Config):
    """Nothing much."""

    size: int = 1


class OtherSettings(Config):
    """Nothing at all."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """No inputs."""


@dataclass(frozen=True, slots=True)
class MakeOutputs:
    """Rows, and perhaps a model."""

    rows: Draft[Rows]
    model: Draft[Model] | None


@dataclass(frozen=True, slots=True)
class UseInputs:
    """One, many and optional."""

    rows: Artifact[Rows]
    many: tuple[Artifact[Rows], ...]
    model: Artifact[Model] | None = None


@dataclass(frozen=True, slots=True)
class UseOutputs:
    """Rows."""

    rows: Draft[Rows]


@dataclass(frozen=True, slots=True)
class NeedsModel:
    """A model."""

    model: Artifact[Model]


class Make:
    """Makes."""

    name: ClassVar[str] = "make"
    version: ClassVar[int] = 1

    def run(self, config: Settings, inputs: Nothing, ctx: Context) -> MakeOutputs:
        raise NotImplementedError


class Use:
    """Uses."""

    name: ClassVar[str] = "use"
    version: ClassVar[int] = 1

    def run(self, config: Settings, inputs: UseInputs, ctx: Context) -> UseOutputs:
        raise NotImplementedError


class Need:
    """Needs a model."""

    name: ClassVar[str] = "need"
    version: ClassVar[int] = 1

    def run(self, config: Settings, inputs: NeedsModel, ctx: Context) -> UseOutputs:
        raise NotImplementedError


TABLE = {"make": f"{__name__}:Make", "use": f"{__name__}:Use", "need": f"{__name__}:Need"}


@pytest.fixture(autouse=True)
def _stages_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Test modules are not importable by name, so the table is resolved from this one."""
    monkeypatch.setattr(
        "tunesmith.core.graph.resolve", lambda target: globals()[target.split(":")[1]]
    )


def make(name: str) -> Step:
    return Step(name, "make", Settings())


def use(name: str, rows: str, *many: str, **inputs: str) -> Step:
    return Step(name, "use", Settings(), {"rows": rows, "many": many, **inputs})


def built(*steps: Step) -> Pipeline:
    return build(steps, TABLE, seed=0)


def refused(*steps: Step) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        built(*steps)
    assert caught.value.code == "pipeline-invalid"
    return caught.value


def test_steps_are_ordered_so_that_each_finds_its_inputs() -> None:
    pipeline = built(use("c", "b.rows"), use("b", "a.rows", "a.rows", model="a.model"), make("a"))
    assert [step.name for step in pipeline.steps] == ["a", "b", "c"]


def test_the_given_order_is_kept_where_it_can_be() -> None:
    pipeline = built(make("z"), make("y"), use("m", "y.rows"), make("a"))
    assert [step.name for step in pipeline.steps] == ["z", "y", "m", "a"]


@given(st.integers(1, 12), st.randoms(use_true_random=False))
def test_any_graph_without_a_cycle_is_ordered_whatever_the_order_given(
    size: int, random: object
) -> None:
    choice = random.choice  # type: ignore[attr-defined]
    steps = [make("s0")]
    for i in range(1, size):
        steps.append(use(f"s{i}", f"s{choice(range(i))}.rows", f"s{choice(range(i))}.rows"))
    random.shuffle(steps)  # type: ignore[attr-defined]
    pipeline = built(*steps)
    order = [step.name for step in pipeline.steps]
    assert sorted(order) == sorted(step.name for step in steps)
    for step in pipeline.steps:
        assert all(order.index(need) < order.index(step.name) for need in pipeline.needs(step.name))
        below = pipeline.descendants({step.name})
        assert {name for name in order if step.name in pipeline.ancestors({name})} == below


def test_steps_that_wait_for_each_other_are_refused() -> None:
    innocent = use("d", "b.rows")
    error = refused(make("a"), innocent, use("b", "a.rows", "c.rows"), use("c", "b.rows"))
    assert error.what == "the steps b, c wait for each other"


def test_a_step_cannot_need_its_own_result() -> None:
    assert refused(use("b", "b.rows")).what == "the steps b wait for each other"


def test_an_unknown_stage_is_named_with_the_nearest() -> None:
    error = refused(Step("a", "mkae", Settings()))
    assert (error.what, error.why) == (
        "step a: there is no stage called 'mkae'",
        "did you mean 'make'?",
    )


def test_an_unknown_step_is_named_with_the_nearest() -> None:
    error = refused(make("rows"), use("b", "row.rows"))
    assert "'row', which is not there" in error.what
    assert error.why == "did you mean 'rows'?"


@pytest.mark.parametrize(("source", "why"), [("a.rwos", "'rows'"), ("a", "it gives rows, model")])
def test_an_unknown_output_is_told_what_there_is(source: str, why: str) -> None:
    error = refused(make("a"), use("b", source))
    assert "a has no output" in error.what
    assert why in error.why


def test_a_misspelt_input_is_named_before_the_missing_one() -> None:
    error = refused(make("a"), Step("b", "use", Settings(), {"rosw": "a.rows"}))
    assert (error.what, error.why) == ("step b: use has no input 'rosw'", "did you mean 'rows'?")


def test_a_missing_input_is_refused() -> None:
    assert "input 'rows' is missing" in refused(Step("b", "use", Settings())).what


def test_kinds_that_do_not_fit_are_refused_with_both_names() -> None:
    error = refused(make("a"), use("b", "a.rows", model="a.rows"))
    assert error.what == "step b: input 'model' takes Model, but a.rows is Rows"


def test_an_output_that_may_be_left_out_cannot_feed_an_input_that_is_needed() -> None:
    error = refused(make("a"), Step("b", "need", Settings(), {"model": "a.model"}))
    assert error.what == "step b: input 'model' is needed, but a may leave 'model' out"


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"rows": ("a.rows",)}, "'rows' takes one"),
        ({"rows": "a.rows", "many": "a.rows"}, "'many' takes several"),
    ],
)
def test_one_source_and_several_are_not_confused(
    inputs: dict[str, str | tuple[str, ...]], words: str
) -> None:
    assert words in refused(make("a"), Step("b", "use", Settings(), inputs)).what


def test_a_name_used_twice_is_refused() -> None:
    assert refused(make("a"), make("a")).what == "step a stands twice"


@pytest.mark.parametrize("name", ["", "a.b"])
def test_a_name_that_cannot_be_referred_to_is_refused(name: str) -> None:
    assert "cannot name a step" in refused(make(name)).what


def test_settings_of_another_stage_are_refused() -> None:
    error = refused(Step("a", "make", OtherSettings()))
    assert error.what == "step a: OtherSettings is not Settings"


def test_a_signature_says_what_is_one_many_and_optional() -> None:
    takes = signature(Use).takes
    assert {name: (port.kind, port.optional, port.many) for name, port in takes.items()} == {
        "rows": (Rows, False, False), "many": (Rows, True, True), "model": (Model, True, False),
    }  # fmt: skip
    assert signature(Make).gives["model"].optional


def test_a_stage_with_a_field_that_is_no_artefact_is_our_mistake() -> None:
    @dataclass(frozen=True)
    class Wrong:
        path: str

    class Stage:
        def run(self, config: Settings, inputs: Wrong, ctx: Context) -> UseOutputs:
            raise NotImplementedError

    Stage.run.__annotations__["inputs"] = Wrong
    with pytest.raises(TypeError, match=r"Wrong\.path"):
        signature(Stage)


def test_the_key_depends_on_stage_version_settings_inputs_and_seed_only() -> None:
    class Newer(Make):
        version: ClassVar[int] = 2

    step = make("a")
    renamed = Step("b", "make", Settings(), verb="prepare")
    resized = Step("a", "make", Settings(size=2))
    key = step_key(step, Make, 1, {"rows": "d1"})
    assert step_key(renamed, Make, 1, {"rows": "d1"}) == key
    others = [
        step_key(step, Newer, 1, {"rows": "d1"}), step_key(step, Use, 1, {"rows": "d1"}),
        step_key(resized, Make, 1, {"rows": "d1"}), step_key(step, Make, 2, {"rows": "d1"}),
        step_key(step, Make, 1, {"rows": "d2"}), step_key(step, Make, 1, {"many": ("d1",)}),
        step_key(step, Make, 1, {"rows": ("d1",)}), step_key(step, Make, 1, {}),
    ]  # fmt: skip
    assert len({key, *others}) == 1 + len(others)
