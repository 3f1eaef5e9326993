"""Run the pipeline for a command, and tell how it ended: story, verdicts, paths, exit code."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tunesmith import api
from tunesmith.cli.console import console as terminal_console
from tunesmith.cli.main import tell
from tunesmith.cli.progress import Teller, verdict
from tunesmith.core.errors import (
    EXIT_DONE,
    EXIT_GATE_FAILED,
    EXIT_INTERRUPTED,
    EXIT_USER_ERROR,
    ConfigError,
)
from tunesmith.core.table import nearest
from tunesmith.report import figures, story


def run_project(
    project: Path, *, until: str | None = None, start: str | None = None, given: Mapping[str, Any]
) -> int:
    """Run, or print the plan of, a project; ``given`` holds the options of `options.running`."""
    settings = [*given["settings"], *([f"recipe={given['recipe']}"] if given["recipe"] else [])]
    accept = acceptances(given["accept"], given["because"])
    console = terminal_console()
    for note in api.load_project(project, settings).notes:
        console.print(f"[yellow]note:[/] {escape(note)}", highlight=False)
    if given["dry_run"]:
        return _dry_run(console, project, until, start, settings)
    with Teller(console) as teller:
        result = api.run(
            project, until=until, start=start, settings=settings, accept=accept,
            wait=given["wait"], on_event=teller,
        )  # fmt: skip
    return _ending(console, result, accept)


def acceptances(gates: Sequence[str], reasons: Sequence[str]) -> dict[str, str]:
    """{gate: reason}; one reason serves several gates, otherwise each gate has its own.

    Raises:
        ConfigError: when a reason is missing or empty.

    """
    if len(reasons) == 1:
        reasons = list(reasons) * len(gates)
    if len(gates) != len(reasons) or not all(reason.strip() for reason in reasons):
        raise ConfigError(
            f"{len(gates)} --accept, but {len(reasons)} --because",
            why="who lets a failed gate pass says why; the reason is kept with the verdict",
            fix="--accept 'GATE' --because 'the reason'",
            code="accept-without-reason",
        )
    return dict(zip(gates, reasons, strict=True))


def _ending(console: Console, result: api.RunResult, accept: Mapping[str, str]) -> int:
    if result.report_json:
        report = json.loads(result.report_json.read_text(encoding="utf-8"))
        _story(console, report)
        for sentence in unknown_gates(report["gates"], accept):
            console.print(f"[yellow]note:[/] {escape(sentence)}", highlight=False)
    ran, reused = len(result.ran), len(result.reused)
    console.print(
        f"\n{ran} steps ran, {reused} reused, {figures.duration(result.seconds)}. Run {result.run}: "
        f"{result.status}.", highlight=False, soft_wrap=True,
    )  # fmt: skip
    if result.report_html:
        for path in (result.report_html, result.report_json):
            console.print(f"  {path}", highlight=False, soft_wrap=True)
    if result.error:
        tell(result.error)
    codes = {"done": EXIT_DONE, "gate failed": EXIT_GATE_FAILED, "stopped": EXIT_INTERRUPTED}
    failed = result.error.exit_code if result.error else EXIT_USER_ERROR
    return codes.get(result.status, failed)


def unknown_gates(gates: Sequence[Mapping[str, Any]], accept: Iterable[str]) -> list[str]:
    """One sentence for each accepted name that neither a gate nor a step with gates has.

    Only now can it be told: which gates there are, the steps decide from what they measure.
    """
    known = {name for gate in gates for name in (gate["name"], gate["stage"])}
    sentences = []
    for name in accept:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near!r}?" if near else f"its gates are {sorted(known) or 'none'}"
            sentences.append(
                f"--accept {name!r} accepts nothing: no gate of this run has that name; {hint}"
            )
    return sentences


def _story(console: Console, report: Mapping[str, Any]) -> None:
    console.print(f"\n[bold]{escape(story.headline(report))}[/]", highlight=False)
    for sentence in story.sentences(report):
        console.print(f"  {escape(sentence)}", highlight=False)
    passed = [gate["name"] for gate in report["gates"] if gate["decision"] == "passed"]
    if report["gates"]:
        console.print()
    if passed:  # their reasons were told when the steps ended, and stand in the report
        console.print(f"  [green]✓[/] {escape(', '.join(passed))}", highlight=False)
    for gate in report["gates"]:
        if gate["decision"] != "passed":
            console.print(f"  {verdict(gate)}", highlight=False)


def _dry_run(
    console: Console, project: Path, until: str | None, start: str | None, settings: Sequence[str]
) -> int:
    """The steps with what would happen to each, and the newest forecast of memory, time and cost."""
    rows = api.dry_run(project, until=until, start=start, settings=settings)
    before = _newest(project)
    took = {stage["name"]: stage["seconds"] for stage in before.get("stages", [])}
    table = Table("step", "phase", "would", "took last time", box=None, header_style="dim")
    for row in rows:
        would = "[cyan]be reused[/]" if row["status"] == "reuse" else "[green]run[/]"
        table.add_row(row["step"], row["verb"], would, figures.duration(took.get(row["step"])))
    console.print(table)
    plan = before.get("plan") or {}
    if plan.get("candidates"):
        console.print(forecast(plan))
    else:
        console.print(
            "No forecast of memory, time and cost yet: `tunesmith select` makes it.", style="dim"
        )
    return EXIT_DONE


def forecast(plan: Mapping[str, Any]) -> Table:
    """Every method with what it is predicted to need; the chosen one is marked."""
    table = Table("method", "memory", "time", "tokens", "cost", "why", box=None, header_style="dim",
                  title="Forecast", title_justify="left")  # fmt: skip
    for c in plan["candidates"]:
        style = "bold" if c["method"] == plan.get("chosen") else ""
        cost = f"{figures.number(c.get('cost'))} {c.get('currency') or ''}".strip()
        table.add_row(
            figures.title(c["method"]), figures.size(c.get("memory_bytes")), figures.duration(c.get("seconds")),
            figures.count(c.get("tokens")), cost, escape(c.get("reason") or ""), style=style,
        )  # fmt: skip
    return table


def _newest(project: Path) -> Mapping[str, Any]:
    try:
        return api.open_run(project)
    except ConfigError:
        return {}
