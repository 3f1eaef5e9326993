"""The work of `prepare`: cleaning, split, leak check and card, in passes over batches of rows.

What a pass has written stays in ``ctx.keep``, so a killed preparation goes on at the batch where it
fell. Memory holds a few batches and 16 bytes for each row, however many rows there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

import psutil

from tunesmith.core.digest import of_value
from tunesmith.core.errors import DataError
from tunesmith.core.stage import Context
from tunesmith.prepare import card
from tunesmith.prepare.config import PrepareConfig
from tunesmith.prepare.engine.operator import MARK_BYTES, Group
from tunesmith.prepare.engine.parts import Account, Parts, accounts, marks_of
from tunesmith.prepare.engine.pool import Work, run_all
from tunesmith.prepare.engine.segment import segments
from tunesmith.prepare.engine.tally import StepCount, added
from tunesmith.prepare.operators import operators
from tunesmith.prepare.passes import (
    SPLIT,
    Checking,
    Cleaning,
    batches,
    chosen_path,
    identity,
    of_split,
)
from tunesmith.prepare.reasons import write_drops
from tunesmith.prepare.split import SPLITS, Split
from tunesmith.records.rows import count_rows, write_batches

_ALONE: Final = 20
"""Batches below which one process is quicker: starting another takes a second or two."""


def prepare(
    config: PrepareConfig, raw: Path, against: Sequence[Path], ctx: Context
) -> dict[str, Path]:
    """Folders of ``train``, ``valid``, ``test`` and ``card``; rows keep their order in each split.

    ``against`` holds test rows of other preparations, which also must not be trained on.

    Raises:
        DataError: when no training row is left although a share of them was asked for.

    """
    folders = {name: ctx.draft(name) for name in (*SPLITS, "card")}
    numbers = range(batches(raw))
    tests = (folders["test"], *against)
    # what was kept for other rows or settings is no work of this preparation
    kept = ctx.keep / f"{of_value(config.as_dict())[:16]}-{identity([raw, *against])}"
    cleaned = _clean(config, raw, numbers, kept, ctx)
    _write_split(folders["test"], "test", cleaned[-1], numbers)
    checked = Parts(kept / "checked")
    work = Checking(config, cleaned[-1], tests, checked)
    _run(work, numbers, "checking for leaks", count_rows(raw), ctx)
    for split in ("train", "valid"):
        _write_split(folders[split], split, checked, numbers)
    steps = _steps(config, [*cleaned, checked], numbers)
    for step in steps:
        ctx.accounting(step.step, step.rows_in, step.rows_out, step.dropped)
    splits: dict[str, int] = {name: count_rows(folders[name]) for name in SPLITS}
    drops = (drop for one in _told([*cleaned, checked], numbers) for drop in one.drops)
    samples = write_drops(folders["card"] / "drops.parquet", drops)
    body = card.card(config, steps, splits, _portrait(config, checked, numbers), samples)
    card.write(folders["card"], body)
    ctx.fact("data", body)
    _check_left(config, steps, splits)
    return folders


def _clean(
    config: PrepareConfig, raw: Path, numbers: Sequence[int], kept: Path, ctx: Context
) -> list[Parts]:
    """The passes of cleaning, one for each segment of the operators; what a group chose is kept."""
    passes: list[Parts] = []
    for i, segment in enumerate(segments(operators(config))):
        parts = Parts(kept / f"cleaned-{i}")
        before = passes[-1] if passes else None
        label = "cleaning" if i == 0 else f"cleaning, part {i + 1}"
        _run(Cleaning(config, i, raw, before, parts), numbers, label, count_rows(raw), ctx)
        if segment and isinstance(segment[-1], Group):
            _choose(segment[-1], parts, numbers)
        passes.append(parts)
    return passes


def _run(work: Work, numbers: Sequence[int], label: str, rows: int, ctx: Context) -> None:
    processes = ctx.resources.workers or _processes(len(numbers))
    most = max(1, len(numbers))
    run_all(
        work, numbers, processes=processes,
        told=lambda done: ctx.progress(rows * done // most, rows, "rows", label),
    )  # fmt: skip


def _processes(count: int) -> int:
    return 1 if count < _ALONE else psutil.cpu_count(logical=False) or 1


def _choose(group: Group, parts: Parts, numbers: Sequence[int]) -> None:
    """Keep, beside each part, which of its rows the group drops."""
    is_gone = group.choose(marks_of(parts, numbers, MARK_BYTES))
    start = 0
    for number in numbers:
        end = start + parts.rows(number)
        is_gone[start:end].tofile(chosen_path(parts, number))
        start = end


def _write_split(folder: Path, split: Split, parts: Parts, numbers: Sequence[int]) -> None:
    found = (of_split(parts.batch(number), split).drop_columns([SPLIT]) for number in numbers)
    write_batches(folder, found)


def _told(passes: Sequence[Parts], numbers: Sequence[int]) -> Iterator[Account]:
    """What happened to each batch, pass by pass."""
    return chain.from_iterable(accounts(one, numbers) for one in passes)


def _steps(
    config: PrepareConfig, passes: Sequence[Parts], numbers: Sequence[int]
) -> list[StepCount]:
    """The counts of every step, in order; steps that no row reached are there with zeros."""
    names = [operator.name for operator in operators(config)]
    if config.leak.enabled:
        names += ["leak check (train)", "leak check (valid)"]
    return added(names, (one.counts for one in _told(passes, numbers)))


def _portrait(config: PrepareConfig, parts: Parts, numbers: Sequence[int]) -> card.Portrait:
    portrait = card.Portrait(config.language)
    for one in accounts(parts, numbers):
        portrait.add(one.more)
    return portrait


def _check_left(config: PrepareConfig, steps: Sequence[StepCount], splits: dict[str, int]) -> None:
    if splits["train"] or config.split.train == 0:
        return
    reasons = sorted(
        ((count, f"{step.step}: {reason}") for step in steps for reason, count in step.dropped.items()),
        reverse=True,
    )  # fmt: skip
    raise DataError(
        "no training row is left",
        why=(
            f"{reasons[0][0]} rows were dropped for `{reasons[0][1]}`"
            if reasons
            else f"{sum(splits.values())} rows came in, and the split gave none of them to training"
        ),
        fix="loosen that rule in `prepare`, raise `split.train`, or bring more rows",
        code="no-rows-left",
    )
