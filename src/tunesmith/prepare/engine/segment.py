"""Operators that follow each other without looking at other rows, run over one batch.

Maps that stand side by side are fused: each text is taken out of Arrow once, goes through all of
them, and is put back once. Filters see the rows that those before them have left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import pyarrow as pa

from tunesmith.prepare.engine.batch import only, rows, texts, with_texts
from tunesmith.prepare.engine.operator import Group, Operator, RowFilter, TextMap
from tunesmith.prepare.engine.tally import Drop, StepCount
from tunesmith.records.conversation import Conversation


@dataclass(slots=True)
class Outcome:
    """A batch after its operators, and the account of each of them."""

    batch: pa.RecordBatch
    counts: list[StepCount] = field(default_factory=list)
    drops: list[Drop] = field(default_factory=list)


def segments(operators: Iterable[Operator]) -> list[list[Operator]]:
    """The operators cut after each group: what follows needs its choice.

    There is at least one segment, and the last one ends without a group; it may be empty.
    """
    cut: list[list[Operator]] = [[]]
    for operator in operators:
        cut[-1].append(operator)
        if isinstance(operator, Group):
            cut.append([])
    return cut


def run_batch(operators: Sequence[Operator], batch: pa.RecordBatch) -> Outcome:
    """The batch after the maps and filters of a segment; a group at its end is left to its caller."""
    outcome = Outcome(batch)
    seen: list[Conversation] | None = None
    for is_map, run in groupby(operators, key=lambda one: isinstance(one, TextMap)):
        if is_map:
            _change(outcome, [one for one in run if isinstance(one, TextMap)])
            seen = None
            continue
        for operator in run:
            if isinstance(operator, RowFilter):
                seen = rows(outcome.batch) if seen is None else seen
                seen = _filter(outcome, operator, seen)
    return outcome


def _change(outcome: Outcome, maps: Sequence[TextMap]) -> None:
    count = outcome.batch.num_rows
    steps = [StepCount(one.name, count, count) for one in maps]
    before = texts(outcome.batch)
    after = []
    for text in before:
        for one, step in zip(maps, steps, strict=True):
            text, found = one.change(text)
            if found:
                step.found.update(found)
        after.append(text)
    if after != before:
        outcome.batch = with_texts(outcome.batch, after)
    outcome.counts += steps


def _filter(
    outcome: Outcome, operator: RowFilter, seen: Sequence[Conversation]
) -> list[Conversation]:
    """Apply a filter; the rows that are left."""
    step, is_kept = StepCount(operator.name), []
    dropped: Counter[str] = Counter()
    for row in seen:
        step.rows_in += 1
        reason = operator.reason(row)
        is_kept.append(reason is None)
        if reason is None:
            step.rows_out += 1
        else:
            dropped[reason] += 1
            outcome.drops.append(Drop.of(operator.name, reason, row, earlier=dropped[reason] - 1))
    step.dropped = dropped
    outcome.batch = only(outcome.batch, is_kept)
    outcome.counts.append(step)
    return [row for row, kept in zip(seen, is_kept, strict=True) if kept]
