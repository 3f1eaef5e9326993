"""Mixing new and old rows."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.artifact import Artifact
from tunesmith.core.events import read
from tunesmith.core.stage import Context
from tunesmith.kinds import Conversations
from tunesmith.records.conversation import Conversation, Message, identify
from tunesmith.records.rows import read_conversations, write_conversations
from tunesmith.renew.config import ReplayConfig
from tunesmith.renew.replay import replayed
from tunesmith.renew.stage import Replay, ReplayInputs


def rows(source: str, numbers: range) -> list[Conversation]:
    made = []
    for i in numbers:
        turns = (Message("user", f"ask {i}"), Message("assistant", f"say {i}"))
        made.append(Conversation(turns, source, i, identify(turns, source, i)))
    return made


def mixed(
    ctx: Context, new: list[Conversation], old: list[Conversation], share: float
) -> list[Conversation]:
    folders: dict[str, Path] = {}
    for name, some in (("new", new), ("old", old)):
        folders[name] = ctx.draft(name)
        write_conversations(folders[name], some)
    inputs = ReplayInputs(
        new=Artifact[Conversations]("n", folders["new"]),
        old=Artifact[Conversations]("o", folders["old"]),
    )
    outputs = Replay().run(ReplayConfig(replay_share=share), inputs, ctx)
    return list(read_conversations(outputs.rows.path))


def test_every_new_row_is_kept_and_old_ones_make_their_share(stage_context: Context) -> None:
    new, old = rows("new", range(100, 114)), rows("old", range(40))
    found = mixed(stage_context, new, old, 0.3)
    assert found[:14] == new
    assert len(found) == 20
    assert set(found[14:]) <= set(old)


def test_rows_in_are_rows_out_and_rows_dropped(stage_context: Context) -> None:
    mixed(stage_context, rows("new", range(10)), rows("old", range(5, 30)), 0.5)
    told = [e for e in read(stage_context.scratch / "events.jsonl") if e["kind"] == "accounting"]
    assert told[0]["rows_in"] == 35
    assert told[0]["rows_out"] == 20
    assert told[0]["dropped"] == {"old row not drawn": 10, "old row equal to a new one": 5}


def test_the_draw_repeats(stage_context: Context) -> None:
    new, old = rows("new", range(50, 60)), rows("old", range(40))
    assert mixed(stage_context, new, old, 0.4) == mixed(stage_context, new, old, 0.4)


def test_no_share_means_no_old_rows(stage_context: Context) -> None:
    new = rows("new", range(5))
    assert mixed(stage_context, new, rows("old", range(10, 20)), 0.0) == new


def test_too_few_old_rows_are_all_taken_and_told(stage_context: Context) -> None:
    found = mixed(stage_context, rows("new", range(20)), rows("old", range(30, 32)), 0.5)
    assert len(found) == 22
    told = [e for e in read(stage_context.scratch / "events.jsonl") if e["kind"] == "note"]
    assert "only 2 old rows" in told[0]["text"]


@given(st.integers(0, 500), st.integers(0, 500), st.floats(0, 0.95))
def test_the_number_drawn_is_the_share_or_all_there_are(new: int, old: int, share: float) -> None:
    drawn = replayed(new, old, share)
    assert 0 <= drawn <= old
    if drawn < old and new + drawn:
        assert abs(drawn / (new + drawn) - share) <= 1 / (new + drawn)
