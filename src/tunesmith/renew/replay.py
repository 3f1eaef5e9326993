"""Mix new rows with a drawn share of old ones, so that the new round does not forget."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tunesmith.core.seeds import stream
from tunesmith.core.stage import Context
from tunesmith.records.conversation import Conversation
from tunesmith.records.rows import read_conversations, write_conversations
from tunesmith.renew.config import ReplayConfig


def replayed(new: int, old: int, share: float) -> int:
    """How many of ``old`` rows make ``share`` of the mix with ``new`` rows; all, where too few."""
    return min(old, round(new * share / (1.0 - share)))


def replay(config: ReplayConfig, *, new: Path, old: Path, folder: Path, ctx: Context) -> int:
    """Write every new row, then the drawn old rows in their order; the number of rows written.

    An old row with the turns of a new one is dropped: it would be seen twice as often.
    """
    texts: set[tuple[tuple[str, str], ...]] = set()
    new_rows = 0
    for row in read_conversations(new):
        texts.add(_turns(row))
        new_rows += 1
    fresh, repeated = [], 0
    for place, row in enumerate(read_conversations(old)):
        if _turns(row) in texts:
            repeated += 1
        else:
            fresh.append(place)
    wanted = replayed(new_rows, len(fresh), config.replay_share)
    drawn = set(stream(ctx.seed, "replay").sample(fresh, wanted))
    written = write_conversations(folder, _mixed(new, old, drawn))
    ctx.accounting(
        "replay", new_rows + len(fresh) + repeated, written,
        {"old row not drawn": len(fresh) - wanted, "old row equal to a new one": repeated},
    )  # fmt: skip
    if wanted < round(new_rows * config.replay_share / (1.0 - config.replay_share)):
        ctx.note(f"there are only {wanted} old rows for a replay share of {config.replay_share:g}")
    return written


def _mixed(new: Path, old: Path, drawn: set[int]) -> Iterator[Conversation]:
    yield from read_conversations(new)
    yield from (row for place, row in enumerate(read_conversations(old)) if place in drawn)


def _turns(row: Conversation) -> tuple[tuple[str, str], ...]:
    return tuple((message.role, message.content) for message in row.messages)
