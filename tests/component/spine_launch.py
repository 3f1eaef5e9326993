"""``python spine_launch.py PROJECT STEPS [OPTIONS]``: run steps as the api does, telling each event.

STEPS is a JSON list of {name, stage, config, inputs}. Standard output gets one JSON line for each
event and one for the end: {"end": status, "outputs": {...}} or {"end": "error", "error": {...}}.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunesmith.backends.execute import Execution
from tunesmith.backends.schedule import Order, Place
from tunesmith.core.config import Resources, parse
from tunesmith.core.errors import TunesmithError
from tunesmith.core.graph import Step, build, signature
from tunesmith.core.ledger import Ledger
from tunesmith.core.lock import project_lock
from tunesmith.core.table import resolve
from tunesmith.stages import table

Body = dict[str, Any]


def steps_of(given: list[Body], stages: Mapping[str, str]) -> list[Step]:
    """Steps with their configuration parsed by their stage's own type."""
    steps = []
    for body in given:
        kind = signature(resolve(stages[body["stage"]])).config  # type: ignore[arg-type]
        inputs = {
            name: tuple(source) if isinstance(source, list) else source
            for name, source in body.get("inputs", {}).items()
        }
        config = parse(kind, body.get("config", {}), source=body["name"])
        steps.append(Step(body["name"], body["stage"], config, inputs))
    return steps


def launch(project: Path, given: list[Body], tell: Any, *, accept: Mapping[str, str] | None = None,
           afresh: tuple[str, ...] = (), seed: int = 7) -> dict[str, Mapping[str, Any]]:  # fmt: skip
    """Run the steps in this process; outputs of each step as {name: (kind, digest)}."""
    stages = table()
    pipeline = build(steps_of(given, stages), stages, seed=seed)
    place = Place(project, project / "cache")
    run = uuid.uuid4().hex
    wanted = frozenset(step.name for step in pipeline.steps)
    order = Order(run, pipeline, Resources(), wanted, frozenset(afresh), dict(accept or {}))
    with project_lock(place.lock, purpose="spine_launch"), Ledger(place.ledger) as ledger:
        ledger.mark_killed()
        ledger.start_run(run, recipe="test", seed=seed, settings={}, provenance={}, machine={},
                         versions={})  # fmt: skip
        try:
            done = Execution(order, place, ledger, tell).run()
        except TunesmithError as error:
            ledger.finish_run(run, "failed", error.as_dict())
            raise
        ledger.finish_run(run, "done")
    return {name: dict(result.outputs) for name, result in done.items()}


def main() -> int:
    def say(body: Body) -> None:
        print(json.dumps(body), flush=True)

    project, given = Path(sys.argv[1]), json.loads(sys.argv[2])
    options = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
    try:
        outputs = launch(
            project, given, lambda step, event: say({"step": step, **event}), **options
        )
    except TunesmithError as error:
        say({"end": "error", "error": error.as_dict()})
        return error.exit_code
    say({"end": "done", "outputs": outputs})
    return 0


if __name__ == "__main__":
    sys.exit(main())
