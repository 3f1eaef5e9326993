"""Small stages for the tests of the local backend; they import nothing heavy."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from tunesmith.core.artifact import Artifact, Draft
from tunesmith.core.config import Config
from tunesmith.core.errors import DataError
from tunesmith.core.stage import Context, GateResult


class Numbers:
    """Whole numbers, ``numbers.json``."""

    name: ClassVar[str] = "numbers"
    version: ClassVar[int] = 1


@dataclass(frozen=True, slots=True)
class Nothing:
    """No inputs."""


@dataclass(frozen=True, slots=True)
class One:
    """One list of numbers."""

    numbers: Artifact[Numbers]


@dataclass(frozen=True, slots=True)
class Several:
    """Lists of numbers, and perhaps one more."""

    parts: tuple[Artifact[Numbers], ...]
    extra: Artifact[Numbers] | None


@dataclass(frozen=True, slots=True)
class Made:
    """A list of numbers."""

    numbers: Draft[Numbers]


def read(artifact: Artifact[Numbers]) -> list[int]:
    numbers: list[int] = json.loads((artifact.path / "numbers.json").read_text())
    return numbers


def write(ctx: Context, numbers: list[int]) -> Made:
    folder = ctx.draft("numbers")
    (folder / "numbers.json").write_text(json.dumps(numbers))
    return Made(Draft(folder))


class CountConfig(Config):
    """How far to count."""

    until: int = 3
    sleep: float = 0.0


class Count:
    """0, 1, 2 ... in order."""

    name: ClassVar[str] = "count"
    version: ClassVar[int] = 1

    def run(self, config: CountConfig, inputs: Nothing, ctx: Context) -> Made:
        for done in range(config.until):
            ctx.progress(done, config.until, "numbers")
            if config.sleep:
                time.sleep(config.sleep)
        ctx.accounting("count", config.until, config.until, {})
        return write(ctx, list(range(config.until)))


class AddConfig(Config):
    """What to add to each sum."""

    plus: int = 0


class Add:
    """The sum of each part."""

    name: ClassVar[str] = "add"
    version: ClassVar[int] = 1

    def run(self, config: AddConfig, inputs: Several, ctx: Context) -> Made:
        parts = [*inputs.parts, *([inputs.extra] if inputs.extra else [])]
        return write(ctx, [sum(read(part)) + config.plus for part in parts])


class SlowConfig(Config):
    """How many steps, and how long each takes."""

    steps: int = 10
    seconds: float = 0.05
    deaf: bool = False
    """True: never looks whether it is asked to stop."""


class Slow:
    """Numbers drawn one by one, with a checkpoint after each: what it gives depends on the seed."""

    name: ClassVar[str] = "slow"
    version: ClassVar[int] = 1

    def run(self, config: SlowConfig, inputs: One, ctx: Context) -> Made:
        saved = ctx.keep / "checkpoint.json"
        numbers: list[int] = json.loads(saved.read_text()) if saved.exists() else []
        ctx.fact("resumed", {"at": len(numbers)})
        while len(numbers) < config.steps:
            if not config.deaf:
                ctx.progress(len(numbers), config.steps, "steps")
            time.sleep(config.seconds)
            numbers.append((sum(numbers) * 31 + ctx.stream(str(len(numbers)))) % 1_000_003)
            ctx.point("drawn", len(numbers), numbers[-1])
            partial = ctx.keep / "partial"
            partial.write_text(json.dumps(numbers))
            partial.replace(saved)
        return write(ctx, read(inputs.numbers) + numbers)


class FailConfig(Config):
    """How to fail; ``unless`` names a file of the project whose presence prevents it."""

    how: Literal["raise", "kill", "exit", "user", "memory", "disk", "wrapped disk"] = "raise"
    unless: str = "mended"


class Fail:
    """Fails in one of the ways in which stages fail."""

    name: ClassVar[str] = "fail"
    version: ClassVar[int] = 1

    def run(self, config: FailConfig, inputs: One, ctx: Context) -> Made:
        if not (ctx.project / config.unless).exists():
            ctx.note("about to fail")
            _fail(config.how)
        return write(ctx, [*read(inputs.numbers), 99])


def _fail(how: str) -> None:
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exit":
        sys.exit("a library left")
    if how == "memory":
        limit = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, limit[1]))
        try:
            bytearray(1 << 33)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, limit)
    if how == "disk":
        Path("/dev/full").write_text("no room")
    if how == "wrapped disk":
        raise RuntimeError("could not serialise: IoError(No space left on device)")
    if how == "user":
        raise DataError("row 3 is empty", why="it has no words", fix="remove it", code="row-empty")
    raise ValueError("seven is not eight")


class JudgeConfig(Config):
    """The bound of the gate."""

    at_least: int = 0
    blocking: bool = True


class Judge:
    """A gate on the sum."""

    name: ClassVar[str] = "judge"
    version: ClassVar[int] = 1

    def run(self, config: JudgeConfig, inputs: One, ctx: Context) -> Made:
        total = sum(read(inputs.numbers))
        ctx.gate(
            GateResult(
                "enough", total >= config.at_least, f"the sum is {total}", value=float(total),
                threshold=float(config.at_least), blocking=config.blocking,
            )
        )  # fmt: skip
        return write(ctx, [total])


class ChatterConfig(Config):
    """Nothing to set."""


class Chatter:
    """Writes to standard output in every way that could pass for a word of the worker."""

    name: ClassVar[str] = "chatter"
    version: ClassVar[int] = 1

    def run(self, config: ChatterConfig, inputs: Nothing, ctx: Context) -> Made:
        print('["done", "/nowhere"]')
        print('{"outputs": {}, "seconds": 0}')
        sys.__stdout__.write('["done"]\n')  # type: ignore[union-attr]
        os.write(1, b'{"outputs": {}}\n')
        subprocess.run(["echo", '["done"]'], check=True)
        heard = sys.stdin.read()
        print("no end of line", end="", flush=True)
        return write(ctx, [len(heard)])


class ParentConfig(Config):
    """Nothing to set."""


class Parent:
    """Starts a process that never ends, tells its number in ``child`` and works on."""

    name: ClassVar[str] = "parent"
    version: ClassVar[int] = 1

    def run(self, config: ParentConfig, inputs: Nothing, ctx: Context) -> Made:
        child = subprocess.Popen(["sleep", "600"])
        ctx.note(f"child {child.pid}")
        for done in range(1200):
            ctx.progress(done, 1200, "waits")
            time.sleep(0.05)
        return write(ctx, [])
