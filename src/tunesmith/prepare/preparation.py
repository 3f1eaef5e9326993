"""The work of `prepare`: operators, split, leak check and card, in one flow with flat memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Final

from tunesmith.core.errors import DataError
from tunesmith.core.stage import Context
from tunesmith.prepare import card
from tunesmith.prepare.config import PrepareConfig
from tunesmith.prepare.leak import LeakIndex
from tunesmith.prepare.operators import dropping, operators
from tunesmith.prepare.split import Split, split_of
from tunesmith.prepare.tally import Tally
from tunesmith.records.conversation import Conversation
from tunesmith.records.rows import count_rows, read_conversations, write_conversations

_SPLITS: Final[tuple[Split, ...]] = ("train", "valid", "test")
_TOLD_EVERY: Final = 200
"""Rows between two looks at the clock and at a request to stop."""


def prepare(
    config: PrepareConfig, raw: Path, against: Iterable[Path], ctx: Context
) -> dict[str, Path]:
    """Folders of ``train``, ``valid``, ``test`` and ``card``; rows keep their order in each split.

    ``against`` holds test rows of other preparations, which also must not be trained on.

    Raises:
        DataError: when no training row is left although a share of them was asked for.

    """
    folders = {name: ctx.draft(name) for name in (*_SPLITS, "card")}
    with Tally(folders["card"] / "drops.parquet") as tally:
        kept = ctx.draft("kept")
        write_conversations(kept, _cleaned(config, raw, tally, ctx))
        portrait = card.Portrait(config.language)
        write_conversations(folders["test"], portrait.see(_of_split(kept, "test", config)))
        _write_learnt(config, kept, folders, against, tally, portrait)
    for step in tally.steps:
        ctx.accounting(step.step, step.rows_in, step.rows_out, step.dropped)
    splits: dict[str, int] = {name: count_rows(folders[name]) for name in _SPLITS}
    body = card.card(config, tally.steps, splits, portrait, tally.samples)
    card.write(folders["card"], body)
    ctx.fact("data", body)
    _check_left(config, tally, splits)
    return folders


def _cleaned(
    config: PrepareConfig, raw: Path, tally: Tally, ctx: Context
) -> Iterator[Conversation]:
    rows = _told(read_conversations(raw), count_rows(raw), ctx)
    for name, operator in operators(config).items():
        rows = tally.through(name, operator, rows)
    return rows


def _write_learnt(
    config: PrepareConfig,
    kept: Path,
    folders: dict[str, Path],
    against: Iterable[Path],
    tally: Tally,
    portrait: card.Portrait,
) -> None:
    """Write training and validation rows, without those that stand among the test rows."""
    tests = chain.from_iterable(read_conversations(path) for path in (folders["test"], *against))
    index = LeakIndex(tests, config.leak, config.language) if config.leak.enabled else None
    for name in ("train", "valid"):
        rows: Iterator[Conversation] = _of_split(kept, name, config)
        if index is not None:
            rows = tally.through(f"leak check ({name})", dropping(index), rows)
        write_conversations(folders[name], portrait.see(rows))


def _of_split(kept: Path, split: Split, config: PrepareConfig) -> Iterator[Conversation]:
    return (row for row in read_conversations(kept) if split_of(row, config.split) == split)


def _told(rows: Iterator[Conversation], total: int, ctx: Context) -> Iterator[Conversation]:
    done = 0
    for done, row in enumerate(rows, 1):
        if done % _TOLD_EVERY == 0:
            ctx.progress(done, total, "rows", "preparing")
        yield row
    ctx.progress(done, total, "rows", "preparing")


def _check_left(config: PrepareConfig, tally: Tally, splits: dict[str, int]) -> None:
    if splits["train"] or config.split.train == 0:
        return
    reasons = sorted(
        ((count, f"{step.step}: {reason}") for step in tally.steps for reason, count in step.dropped.items()),
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
