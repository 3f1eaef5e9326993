"""The Python door: what the command line can do, as typed functions.

>>> import tunesmith
>>> result = tunesmith.run("my-project")          # doctest: +SKIP
>>> result.status, result.report_html             # doctest: +SKIP
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.backends.execute import Execution
from tunesmith.backends.schedule import Order, Place, preview
from tunesmith.core.errors import ConfigError, GateFailed, Stopped, StoreError, TunesmithError
from tunesmith.core.graph import Pipeline, build
from tunesmith.core.ledger import Ledger
from tunesmith.core.lock import project_lock
from tunesmith.core.store import disk_error, write_text_durably
from tunesmith.core.table import nearest, resolve
from tunesmith.recipes import RECIPES
from tunesmith.recipes import settings as settings_file
from tunesmith.recipes.machine import machine, versions
from tunesmith.recipes.settings import Settings
from tunesmith.stages import table

if TYPE_CHECKING:
    from tunesmith.ports import Engine
    from tunesmith.serve.server import Server

OnEvent = Callable[[str, Mapping[str, Any]], None]
Folder = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended, and where its report is."""

    run: str
    status: str
    """``done``, ``gate failed``, ``failed`` or ``stopped``."""
    seconds: float
    ran: tuple[str, ...]
    reused: tuple[str, ...]
    report_html: Path | None
    report_json: Path | None
    error: TunesmithError | None = field(default=None)


def cache_folder() -> Path:
    """Where fetched packages and converted models are kept: ``TUNESMITH_CACHE`` or ~/.cache/tunesmith."""
    given = os.environ.get("TUNESMITH_CACHE")
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(given) if given else Path(home) / "tunesmith"


def place(project: Folder) -> Place:
    """Where the project in this folder keeps its things."""
    return Place(Path(project).resolve(), cache_folder())


def load_project(project: Folder, settings: Sequence[str] = ()) -> Settings:
    """Settings of a project with ``key=value`` assignments laid over its file."""
    return settings_file.load(Path(project).resolve(), settings)


def run(
    project: Folder = ".", *, until: str | None = None, start: str | None = None,
    settings: Sequence[str] = (), accept: Mapping[str, str] | None = None, wait: bool = False,
    on_event: OnEvent | None = None,
) -> RunResult:  # fmt: skip
    """Run a project's recipe, reusing every result that its ledger holds.

    ``until`` and ``start`` name verbs: stop after one, or run one and what follows anew.
    ``accept`` lets failed gates pass: {gate: reason}. A failure that the user can mend is in
    ``error`` of the result; what was done before it is kept.
    """
    loaded = load_project(project, settings)
    where = place(project)
    pipeline = _pipeline(loaded, where.project)
    order = Order(
        _new_id(), pipeline, loaded.config.resources, _until(pipeline, until),
        _from(pipeline, start), dict(accept or {}),
    )  # fmt: skip
    with (
        project_lock(where.lock, purpose="tunesmith run", wait=wait),
        Ledger(where.ledger) as ledger,
    ):
        ledger.mark_killed()
        _open_run(where, ledger, order, loaded)
        return _execute(where, ledger, order, on_event or _silent)


def dry_run(project: Folder = ".", *, until: str | None = None, start: str | None = None,
         settings: Sequence[str] = ()) -> list[dict[str, Any]]:  # fmt: skip
    """What `run` would do, without doing it: {step, stage, verb, key, status: reuse or run}."""
    loaded = load_project(project, settings)
    where = place(project)
    pipeline = _pipeline(loaded, where.project)
    order = Order(
        "", pipeline, loaded.config.resources, _until(pipeline, until), _from(pipeline, start)
    )
    if not where.ledger.exists():
        return preview(order, None, where.store())
    with Ledger(where.ledger, readonly=True) as ledger:
        return preview(order, ledger, where.store())


def open_run(project: Folder = ".", run: str | None = None) -> dict[str, Any]:
    """Everything about a run (the newest, or the one whose id starts so), as report.json holds it."""
    from tunesmith.report.data import collect

    with _readonly(project) as ledger:
        return collect(ledger, place(project).store(), _run_id(ledger, run))


def write_report(project: Folder = ".", run: str | None = None) -> Path:
    """Write report.html and report.json of a run again; the path of report.html."""
    where = place(project)
    with _readonly(project) as ledger:
        name = _run_id(ledger, run)
        return _write_report(where, ledger, name)


def compare(project: Folder, before: str, after: str) -> dict[str, Any]:
    """Two runs side by side: settings, metrics, gates and artefacts that differ."""
    from tunesmith.report.diff import compare as compare_reports

    one, other = open_run(project, before), open_run(project, after)
    return compare_reports(one, other, place(project).store())


def show(project: Folder, what: str | None = None, *, limit: int = 20) -> Any:
    """A run, an artefact, its rows, or a settings class, as plain values (see ``tunesmith show``)."""
    from tunesmith.report.show import show as show_thing

    return show_thing(place(project), what, limit=limit)


def explain(code: str) -> str:
    """The page about an error code, as Markdown."""
    from tunesmith.report.explain import page

    return page(code)


def initialise(folder: Folder, template: str = "clinical-notes") -> Path:
    """Make a project folder from a template; the path of its tunesmith.yaml."""
    from tunesmith.report.templates import write

    return write(Path(folder), template)


def start_server(project: Folder = ".", run: str | None = None, **options: Any) -> Server:
    """Serve a finished run's model; see `tunesmith.serve.server.serve` for the options.

    Bounds, engine and resources are those of the project's settings unless an option says otherwise.
    """
    from tunesmith.report.shipped import shipped
    from tunesmith.serve.server import Setup
    from tunesmith.serve.server import serve as serve_model

    where = place(project)
    with _readonly(project) as ledger:
        parts = shipped(ledger, where.store(), _run_id(ledger, run))
    config = load_project(project).config
    own = {
        "name": config.name, "config": config.serve.server, "resources": config.resources,
        "traces": None,
    }  # fmt: skip
    setup = Setup(**{name: options.pop(name, value) for name, value in own.items()})
    options = {"engine": config.serve.server.engine, **options}
    return serve_model(parts.model, parts.tuned, parts.gguf, setup=setup, **options)


def open_engine(project: Folder = ".", run: str | None = None, *, engine: str = "auto") -> Engine:
    """The engine that generates with a finished run's model: ``transformers``, ``llama.cpp`` or ``auto``.

    ``auto`` takes llama.cpp when the run has a GGUF of this very model. Close it after use.
    """
    from tunesmith.report.shipped import open_shipped, shipped

    where = place(project)
    with _readonly(project) as ledger:
        parts = shipped(ledger, where.store(), _run_id(ledger, run))
    return open_shipped(parts, engine, load_project(project).config.resources)


def _pipeline(loaded: Settings, folder: Path) -> Pipeline:
    recipe: Any = resolve(RECIPES[loaded.config.recipe])
    return build(recipe(loaded.config, folder), table(), seed=loaded.config.seed)


def _until(pipeline: Pipeline, verb: str | None) -> frozenset[str]:
    """Every step up to the last one of ``verb``, in the order of the pipeline."""
    names = [step.name for step in pipeline.steps]
    if verb is None:
        return frozenset(names)
    last = max(names.index(name) for name in _of_verb(pipeline, verb))
    return frozenset(names[: last + 1])


def _from(pipeline: Pipeline, verb: str | None) -> frozenset[str]:
    """The steps of ``verb`` and everything that stands after the first of them."""
    if verb is None:
        return frozenset()
    names = [step.name for step in pipeline.steps]
    return frozenset(names[min(names.index(name) for name in _of_verb(pipeline, verb)) :])


def _of_verb(pipeline: Pipeline, verb: str) -> list[str]:
    found = [step.name for step in pipeline.steps if verb in {step.verb or step.stage, step.name}]
    if not found:
        verbs = list(dict.fromkeys(step.verb or step.stage for step in pipeline.steps))
        near = nearest(verb, [*verbs, *(step.name for step in pipeline.steps)])
        raise ConfigError(
            f"this project's recipe has no step {verb!r}",
            why=f"its verbs are {', '.join(verbs)}",
            fix=f"use `{near}`" if near else "use one of them, or add the section it needs",
            code="verb-unknown",
        )
    return found


def _open_run(where: Place, ledger: Ledger, order: Order, loaded: Settings) -> None:
    ledger.start_run(
        order.run, recipe=loaded.config.recipe, seed=loaded.config.seed,
        settings=loaded.config.as_dict(), provenance=settings_file.provenance(loaded),
        machine=machine(), versions=versions(),
    )  # fmt: skip
    for position, step in enumerate(order.pipeline.steps):
        status = "waiting" if step.name in order.wanted else "not asked for"
        ledger.set_step(order.run, position, step.name, stage=step.stage,
                        verb=step.verb or step.stage, status=status)  # fmt: skip
    folder = where.run_folder(order.run)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text_durably(folder / "run.yaml", settings_file.run_yaml(loaded))
    except OSError as error:
        raise disk_error(error, folder) from error


def _execute(where: Place, ledger: Ledger, order: Order, on_event: OnEvent) -> RunResult:
    started = time.monotonic()
    status: str = "done"
    error: TunesmithError | None = None
    try:
        Execution(order, where, ledger, on_event).run()
    except GateFailed as failed:
        status, error = "gate failed", failed
    except Stopped as stopped:
        status, error = "stopped", stopped
    except TunesmithError as failed:
        status, error = "failed", failed
    except BaseException:
        ledger.finish_run(order.run, "failed")
        raise
    html = _finish(where, ledger, order.run, status, error)
    steps = ledger.steps(order.run)
    return RunResult(
        order.run, status, time.monotonic() - started,
        tuple(s["step"] for s in steps if s["status"] == "done"),
        tuple(s["step"] for s in steps if s["status"] == "reused"),
        html, html.with_suffix(".json") if html else None, error,
    )  # fmt: skip


def _finish(
    where: Place, ledger: Ledger, run: str, status: str, error: TunesmithError | None
) -> Path | None:
    """Close the run and write its report; on a full disk the first error is the one to tell."""
    try:
        ledger.finish_run(run, status, error.as_dict() if error else None)
        return _write_report(where, ledger, run)
    except StoreError:
        if error is None:
            raise
        return None


def _write_report(where: Place, ledger: Ledger, run: str) -> Path:
    from tunesmith.report.data import collect
    from tunesmith.report.write import write

    return write(collect(ledger, where.store(), run), where.run_folder(run))


def _readonly(project: Folder) -> Ledger:
    where = place(project)
    if not where.ledger.exists():
        raise ConfigError(
            f"{where.project} has no runs yet",
            why=f"{where.ledger} is not there",
            fix="tunesmith run",
            code="run-missing",
        )
    return Ledger(where.ledger, readonly=True)


def _run_id(ledger: Ledger, prefix: str | None) -> str:
    row = ledger.run(prefix)
    if row is None:
        known = ", ".join(run["id"] for run in ledger.runs()[:5])
        raise ConfigError(
            f"there is no run {prefix!r}",
            why=f"the newest runs are {known or 'none'}",
            fix="name one of them, or leave the name out for the newest",
            code="run-missing",
        )
    return str(row["id"])


def _new_id() -> str:
    return time.strftime("%Y%m%d-%H%M%S-") + uuid.uuid4().hex[:4]


def _silent(_step: str, _event: Mapping[str, Any]) -> None:
    """Tell nobody."""
