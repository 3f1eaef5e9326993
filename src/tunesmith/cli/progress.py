"""What a running pipeline looks like in the terminal: one live line, and one line a finished step.

A terminal gets a bar with done, total, unit, rate, time left and memory. Anything else (a file, a
pipe, CI) gets plain lines, at most one every few seconds.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from tunesmith.report import data, figures, story

_PLAIN_SECONDS: Final = 5.0
_NAME: Final = 16


class Teller:
    """A reader of a run's events; call it with (step, event) while it is open."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = _bar(console) if console.is_terminal else None
        self._task: Any = None
        self._last_line = 0.0
        self._step = data.empty()

    def __enter__(self) -> Teller:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.stop()

    def __call__(self, step: str, event: Mapping[str, Any]) -> None:
        """Take one event."""
        kind = event["kind"]
        if kind == "step":
            self._change(step, event)
        elif kind == "progress":
            self._progress(step, event)
        elif kind in {"metric", "gate", "accounting", "fact", "point", "note"}:
            data.add(self._step, step, event)
            if kind == "note":
                self._say(f"    [dim]{escape(event['text'])}[/]")

    def _change(self, step: str, event: Mapping[str, Any]) -> None:
        status = event["status"]
        if status == "running":
            self._step = data.empty()
            self._begin(step)
        elif status in {"done", "reused"}:
            self._end()
            self._finished(step, event)
        elif status == "failed":
            self._end()
            self._say(
                f"[red]✕[/] [bold]{escape(step):{_NAME}}[/] failed after {figures.duration(event.get('seconds'))}"
            )

    def _finished(self, step: str, event: Mapping[str, Any]) -> None:
        reused = event["status"] == "reused"
        if reused:
            self._step = data.empty()
        for name in ("metrics", "gates"):
            self._step[name] = [{"stage": step, **entry} for entry in event.get(name) or []]
        mark, took = (
            ("[cyan]↺[/]", "reused")
            if reused
            else ("[green]✓[/]", figures.duration(event.get("seconds")))
        )
        gates = self._step.pop("gates")
        words = story.step_words({**self._step, "gates": []}, step)
        outputs = " ".join(
            f"{name}:{digest[:8]}" for name, (_, digest) in (event.get("outputs") or {}).items()
        )
        tail = "  ".join(part for part in (escape(words), f"[dim]{escape(outputs)}[/]") if part)
        self._say(f"{mark} [bold]{escape(step):{_NAME}}[/] {took:>12}  {tail}")
        for gate in gates:
            self._say(f"    {verdict(gate)}")

    def _begin(self, step: str) -> None:
        self._last_line = time.monotonic()
        if self._live:
            self._task = self._live.add_task(escape(step), total=None, told="")

    def _end(self) -> None:
        if self._live and self._task is not None:
            self._live.remove_task(self._task)
            self._task = None

    def _progress(self, step: str, event: Mapping[str, Any]) -> None:
        told = progress_words(event)
        if self._live and self._task is not None:
            self._live.update(
                self._task, completed=event["done"], total=event["total"] or None, told=told
            )
        elif not self._live and time.monotonic() - self._last_line >= _PLAIN_SECONDS:
            self._last_line = time.monotonic()
            self._say(f"  {escape(step):{_NAME}} {told}")

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)


def progress_words(event: Mapping[str, Any]) -> str:
    """``120 of 480 rows, 14.2 rows/s, 25 s left, 5.60 GiB``; what is not known yet is left out."""
    done, total, unit = event["done"], event["total"], event["unit"]
    parts = [
        f"{figures.count(done)} of {figures.count(total)} {unit}"
        if total
        else f"{figures.count(done)} {unit}"
    ]
    elapsed = event.get("elapsed") or 0.0
    if elapsed > 0.5 and done:
        rate = done / elapsed
        parts.append(f"{rate:.3g} {unit}/s")
        if total and done < total:
            parts.append(f"{figures.duration((total - done) / rate)} left")
    if event.get("memory_bytes"):
        parts.append(figures.size(event["memory_bytes"]))
    label = event.get("label")
    return (f"{label}: " if label else "") + ", ".join(parts)


def verdict(gate: Mapping[str, Any]) -> str:
    """One gate in one coloured line: mark, name and reason."""
    mark = {"passed": "[green]✓[/]", "failed": "[red]✕[/]"}.get(gate["decision"], "[yellow]○[/]")
    note = (
        ""
        if gate.get("blocking", True) or gate["decision"] == "passed"
        else " [dim](informs only)[/]"
    )
    accepted = f" [dim](accepted: {escape(gate['accepted'])})[/]" if gate.get("accepted") else ""
    return f"{mark} [bold]{escape(gate['name'])}[/]: {escape(figures.sentence(gate['reason']))}{note}{accepted}"


def _bar(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(), TextColumn(f"[bold]{{task.description:{_NAME}}}"), BarColumn(bar_width=24),
        TextColumn("{task.fields[told]}", markup=False), console=console, transient=True,
    )  # fmt: skip
