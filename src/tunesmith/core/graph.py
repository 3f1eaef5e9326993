"""A pipeline: steps joined by typed artefacts, checked before anything runs."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from tunesmith.core.artifact import Artifact, Draft
from tunesmith.core.digest import of_value
from tunesmith.core.errors import ConfigError
from tunesmith.core.table import nearest, resolve


@dataclass(frozen=True, slots=True)
class Step:
    """One stage at work in a pipeline; ``inputs`` names outputs of other steps as "step.output"."""

    name: str
    stage: str
    config: BaseModel
    inputs: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    verb: str = ""
    """The verb of the command line that this step belongs to; empty: the stage's own name."""


@dataclass(frozen=True, slots=True)
class Port:
    """One field of a stage's inputs or outputs."""

    kind: type
    optional: bool = False
    many: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """What a stage takes and gives, read from the type hints of its ``run``."""

    stage: type
    config: type[BaseModel]
    inputs: type
    outputs: type
    takes: Mapping[str, Port]
    gives: Mapping[str, Port]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Steps in an order in which they can run, with the signature of each one's stage."""

    steps: tuple[Step, ...]
    signatures: Mapping[str, Signature]
    seed: int = 0

    def step(self, name: str) -> Step:
        """The step with this name."""
        return next(step for step in self.steps if step.name == name)

    def needs(self, name: str) -> set[str]:
        """Names of the steps whose outputs a step reads directly."""
        return {source.partition(".")[0] for source in sources(self.step(name))}

    def ancestors(self, names: set[str]) -> set[str]:
        """``names`` and every step that they need, directly or not."""
        found: set[str] = set()
        waiting = set(names)
        while waiting:
            name = waiting.pop()
            found.add(name)
            waiting |= self.needs(name) - found
        return found

    def descendants(self, names: set[str]) -> set[str]:
        """``names`` and every step that needs one of them, directly or not."""
        found = set(names)
        for step in self.steps:
            if self.needs(step.name) & found:
                found.add(step.name)
        return found


def sources(step: Step) -> list[str]:
    """Every "step.output" that a step reads."""
    found: list[str] = []
    for value in step.inputs.values():
        found.extend([value] if isinstance(value, str) else value)
    return found


def build(steps: typing.Iterable[Step], table: Mapping[str, str], *, seed: int) -> Pipeline:
    """Check and order the steps.

    ``table`` maps stage names to "module:Class".

    Raises:
        ConfigError: for an unknown stage, step, input or output, a missing input, kinds that do not
            fit, a name used twice, or a cycle.

    """
    given = list(steps)
    names = [step.name for step in given]
    for name in names:
        if names.count(name) > 1:
            raise _wrong(f"step {name} stands twice", "each step needs a name of its own")
        if not name or "." in name:
            raise _wrong(f"{name!r} cannot name a step", "the dot parts a step from its output")
    signatures = {step.name: _signature_of(step, table) for step in given}
    by_name = {step.name: step for step in given}
    for step in given:
        _check_inputs(step, by_name, signatures)
    return Pipeline(tuple(_ordered(given)), signatures, seed)


def signature(stage: type) -> Signature:
    """Types of a stage's configuration, inputs and outputs."""
    hints = typing.get_type_hints(stage.run)  # type: ignore[attr-defined]
    inputs, outputs = hints["inputs"], hints["return"]
    return Signature(
        stage, hints["config"], inputs, outputs, _ports(inputs, Artifact), _ports(outputs, Draft)
    )


def step_key(step: Step, stage: type, seed: int, inputs: Mapping[str, Any]) -> str:
    """The address of a step's result: H(stage, version, config, input digests, seed)."""
    name, version = stage.name, stage.version  # type: ignore[attr-defined]
    return of_value([name, version, step.config.model_dump(mode="json"), dict(inputs), seed])


def _signature_of(step: Step, table: Mapping[str, str]) -> Signature:
    if step.stage not in table:
        near = nearest(step.stage, table)
        raise _wrong(
            f"step {step.name}: there is no stage called {step.stage!r}",
            f"did you mean {near!r}?" if near else f"the stages are {', '.join(sorted(table))}",
        )
    stage = resolve(table[step.stage])
    assert isinstance(stage, type), f"{table[step.stage]} is not a class"
    found = signature(stage)
    if not isinstance(step.config, found.config):
        raise _wrong(
            f"step {step.name}: {type(step.config).__name__} is not {found.config.__name__}",
            f"the stage {step.stage} is set up by {found.config.__name__}",
        )
    return found


def _check_inputs(
    step: Step, by_name: Mapping[str, Step], signatures: Mapping[str, Signature]
) -> None:
    takes = signatures[step.name].takes
    for name, value in step.inputs.items():
        if name not in takes:
            near = nearest(name, takes)
            raise _wrong(
                f"step {step.name}: {step.stage} has no input {name!r}",
                f"did you mean {near!r}?" if near else f"its inputs are {', '.join(takes)}",
            )
        if isinstance(value, tuple) != takes[name].many:
            raise _wrong(
                f"step {step.name}: input {name!r} takes {'several' if takes[name].many else 'one'}",
                "give a tuple of sources exactly where the stage asks for several",
            )
        for source in [value] if isinstance(value, str) else value:
            _check_source(step.name, name, source, takes[name], by_name, signatures)
    # After the misspelt ones: they say why an input is missing.
    for name, port in takes.items():
        if name not in step.inputs and not port.optional:
            raise _wrong(f"step {step.name}: input {name!r} is missing", "it is not optional")


def _check_source(
    step: str, name: str, source: str, port: Port,
    by_name: Mapping[str, Step], signatures: Mapping[str, Signature],
) -> None:  # fmt: skip
    origin, _, output = source.partition(".")
    if origin not in by_name:
        near = nearest(origin, by_name)
        raise _wrong(
            f"step {step}: input {name!r} names the step {origin!r}, which is not there",
            f"did you mean {near!r}?" if near else f"the steps are {', '.join(by_name)}",
        )
    gives = signatures[origin].gives
    if output not in gives:
        near = nearest(output, gives)
        raise _wrong(
            f"step {step}: {origin} has no output {output!r}",
            f"did you mean {near!r}?" if near else f"it gives {', '.join(gives)}",
        )
    if gives[output].kind is not port.kind:
        raise _wrong(
            f"step {step}: input {name!r} takes {port.kind.__name__}, "
            f"but {source} is {gives[output].kind.__name__}",
            "only artefacts of the same kind can be joined",
        )
    if gives[output].optional and not port.optional:
        raise _wrong(
            f"step {step}: input {name!r} is needed, but {origin} may leave {output!r} out",
            "an output that is optional can only feed an input that is optional",
        )


def _ordered(steps: list[Step]) -> list[Step]:
    """Topological order that keeps the given order wherever it can."""
    done: set[str] = set()
    order: list[Step] = []
    waiting = list(steps)
    while waiting:
        ready = next(
            (s for s in waiting if all(x.partition(".")[0] in done for x in sources(s))), None
        )
        if ready is None:
            raise _wrong(
                f"the steps {', '.join(_cycle(waiting))} wait for each other",
                "a pipeline has no cycles: a step cannot need its own result",
            )
        waiting.remove(ready)
        done.add(ready.name)
        order.append(ready)
    return order


def _cycle(waiting: list[Step]) -> list[str]:
    """Names of steps that each need the next one; each of those waiting needs another of them."""
    needs = {step.name: [x.partition(".")[0] for x in sources(step)] for step in waiting}
    path = [waiting[0].name]
    while len(set(path)) == len(path):
        path.append(next(name for name in needs[path[-1]] if name in needs))
    return path[path.index(path[-1]) : -1]


def _ports(holder: type, wanted: type) -> dict[str, Port]:
    hints = typing.get_type_hints(holder)
    fields = dataclasses.fields(holder)
    return {f.name: _port(hints[f.name], wanted, f"{holder.__name__}.{f.name}") for f in fields}


def _port(hint: object, wanted: type, where: str) -> Port:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is wanted:
        return Port(arguments[0])
    if origin is tuple:
        return Port(_port(arguments[0], wanted, where).kind, optional=True, many=True)
    if origin is types.UnionType or origin is typing.Union:
        inner = [argument for argument in arguments if argument is not type(None)]
        return Port(_port(inner[0], wanted, where).kind, optional=True)
    raise TypeError(f"{where}: {hint} is not {wanted.__name__}[Kind]")


def _wrong(what: str, why: str) -> ConfigError:
    return ConfigError(
        what,
        why=why,
        fix="correct the recipe; `tunesmith run --dry-run` checks it without running",
        code="pipeline-invalid",
    )
