"""Preparing: rows in = rows out + drops at every step, nothing leaks, and the bytes are known."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunesmith.core.artifact import Artifact
from tunesmith.core.config import parse
from tunesmith.core.digest import of_bytes, of_file
from tunesmith.core.errors import ConfigError, DataError
from tunesmith.core.stage import Context
from tunesmith.kinds import Conversations
from tunesmith.prepare.config import PrepareConfig
from tunesmith.prepare.stage import Prepare, PrepareInputs, PrepareOutputs
from tunesmith.records.conversation import Conversation
from tunesmith.records.rows import read_conversations

Told = Callable[[str], list[dict[str, Any]]]
Publish = Callable[[Sequence[Conversation]], Artifact[Conversations]]
Make = Callable[..., Conversation]
SPLITS = ("train", "valid", "test")
WORDS = [
    "the",
    "patient",
    "came",
    "in",
    "with",
    "pain",
    "in",
    "her",
    "left",
    "knee",
    "after",
    "a",
    "long",
    "fall",
    "from",
    "some",
    "stairs",
]


@pytest.fixture
def many(conversation: Make) -> list[Conversation]:
    """120 good rows, and after them one for every fault."""
    rows = [
        conversation(f"Question {i}: {' '.join(WORDS[i % 7 :])}?", f"Answer {i}.", i)
        for i in range(120)
    ]
    faults = [
        conversation("question 3: " + " ".join(WORDS[3:]).upper() + "??", "ANSWER 3", 120),
        conversation("Say it again", "yes indeed " * 60, 121),
        conversation("Who wrote this?", "Ann, ann@example.com, 212-555-0143", 122),
        conversation("CafÃ© or not?", "CafÃ©, of course.", 123),
        conversation("An empty answer?", " \n", 124),
    ]
    return rows + faults


def prepare(
    ctx: Context,
    raw: Artifact[Conversations],
    *against: Artifact[Conversations],
    **values: object,
) -> PrepareOutputs:
    config = parse(PrepareConfig, values, source="test")
    return Prepare().run(config, PrepareInputs(raw, tuple(against)), ctx)


def rows_of(out: PrepareOutputs, split: str) -> list[Conversation]:
    return list(read_conversations(getattr(out, split).path))


def test_every_row_is_kept_once_or_dropped_once_with_a_reason(
    ctx: Context, told: Told, published: Publish, many: list[Conversation]
) -> None:
    out = prepare(ctx, published(many))
    kept = [row.id for split in SPLITS for row in rows_of(out, split)]
    drops = pq.read_table(out.card.path / "drops.parquet").to_pylist()
    assert sorted(kept + [drop["id"] for drop in drops]) == sorted(row.id for row in many)
    assert {(drop["row"], drop["reason"]) for drop in drops} == {
        (120, "exact duplicate"),
        (121, "top 2-gram > 0.35"),
        (124, "answer < 1 words"),
    }
    accounts = {e["step"]: (e["rows_in"], e["rows_out"]) for e in told("accounting")}
    assert list(accounts)[:5] == ["repair", "private", "length", "repetition", "duplicates"]
    assert accounts["duplicates"] == (123, 122)
    assert sum(accounts[f"leak check ({s})"][0] for s in ("train", "valid")) + len(
        rows_of(out, "test")
    ) == len(kept)


def test_text_is_mended_and_private_data_masked(
    ctx: Context, published: Publish, many: list[Conversation]
) -> None:
    out = prepare(ctx, published(many))
    answers = {row.row: row.answer for split in SPLITS for row in rows_of(out, split)}
    assert answers[122] == "Ann, [EMAIL], [PHONE]"
    assert answers[123] == "Café, of course."


def test_the_card_says_what_was_done(
    ctx: Context, told: Told, published: Publish, many: list[Conversation]
) -> None:
    out = prepare(ctx, published(many), licence="CC0")
    card = json.loads((out.card.path / "card.json").read_text("utf-8"))
    assert card["rows"] == {"raw": 125, "kept": 122}
    assert sum(card["splits"].values()) == 122
    assert card["private"] == {"EMAIL": 1, "PHONE": 1, "ID": 0}
    assert sum(card["lengths"]["counts"]) == sum(card["characters"]["counts"]) == 122
    assert len(card["lengths"]["edges"]) == len(card["lengths"]["counts"]) + 1
    assert card["sources"] == {"rows.csv": 122}
    text = (out.card.path / "card.md").read_text("utf-8")
    assert "125 rows came in, 122 are kept" in text
    assert "CC0" in text
    (fact,) = (event for event in told("fact") if event["name"] == "data")
    assert fact["body"] == card


def test_samples_of_drops_are_masked_even_when_rows_are_not(
    ctx: Context, told: Told, published: Publish, conversation: Make
) -> None:
    rows = [conversation(f"Call {n}?", "Mail ann@example.com", n % 5) for n in range(5)] * 2
    prepare(ctx, published(rows), private={"enabled": False})
    (fact,) = (event for event in told("fact") if event["name"] == "data")
    assert fact["body"]["drops"]
    assert all("ann@example.com" not in drop["text"] for drop in fact["body"]["drops"])


def test_test_rows_of_another_preparation_are_kept_out(
    ctx: Context, published: Publish, many: list[Conversation]
) -> None:
    first = prepare(ctx, published(many[:120]))
    held_out = rows_of(first, "test")
    assert 20 <= len(held_out) <= 40
    artifact = published(held_out)
    only_train = {"train": 1.0, "valid": 0.0, "test": 0.0}
    second = prepare(ctx, published(many[:120]), artifact, split=only_train)
    assert not {row.row for row in rows_of(second, "train")} & {row.row for row in held_out}
    assert rows_of(second, "test") == []


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(order=st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_split(
    order: Any, ctx: Context, published: Publish, many: list[Conversation]
) -> None:
    good = many[:60]
    shuffled = good.copy()
    order.shuffle(shuffled)
    before = prepare(ctx, published(good))
    wanted = {split: {row.id for row in rows_of(before, split)} for split in SPLITS}
    after = prepare(ctx, published(shuffled))
    assert {split: {row.id for row in rows_of(after, split)} for split in SPLITS} == wanted


def test_more_rows_move_none_of_the_old_ones(
    ctx: Context, published: Publish, many: list[Conversation]
) -> None:
    small = prepare(ctx, published(many[:60]))
    before = {split: [row.id for row in rows_of(small, split)] for split in SPLITS}
    large = prepare(ctx, published(many))
    for split in SPLITS:
        assert [row.id for row in rows_of(large, split) if row.row < 60] == before[split]


def test_nothing_left_to_train_on_names_the_reason(
    ctx: Context, published: Publish, conversation: Make
) -> None:
    rows = [conversation(f"q{i}", "a " * 5, i) for i in range(5)]
    with pytest.raises(DataError) as caught:
        prepare(ctx, published(rows), length={"answer_at_most": 2})
    assert caught.value.code == "no-rows-left"
    assert "5 rows were dropped for `length: answer > 2 words`" in caught.value.why


@pytest.mark.parametrize(
    "values",
    [
        {"split": {"train": 0.9}},
        {"lenght": {}},
        {"repetition": {"top_2_gram": 1.5}},
        {"split": {"train": "x"}},
    ],
)
def test_settings_that_make_no_sense_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        parse(PrepareConfig, values, source="test")


def test_every_check_can_be_switched_off(
    ctx: Context, published: Publish, many: list[Conversation]
) -> None:
    off = {
        name: {"enabled": False}
        for name in ("repair", "private", "repetition", "duplicates", "leak")
    }
    out = prepare(ctx, published(many), **off)
    assert sum(len(rows_of(out, split)) for split in SPLITS) == 124  # The empty answer is dropped.


def test_equal_input_gives_the_known_rows_and_equal_bytes(
    ctx: Context, published: Publish, many: list[Conversation], tmp_path: Path
) -> None:
    raw = published(many)
    out = prepare(ctx, raw)
    files = [*(Path(s) / "rows.parquet" for s in SPLITS), *(Path("card") / n for n in ("card.json", "card.md", "drops.parquet"))]  # fmt: skip
    first = [of_file(ctx.scratch / file) for file in files]
    content = "".join(repr(rows_of(out, split)) for split in SPLITS)
    card = json.loads((out.card.path / "card.json").read_text("utf-8"))
    del card["settings"]  # A new setting is part of the step's key already.
    prepare(ctx, raw)
    assert [of_file(ctx.scratch / file) for file in files] == first
    assert (Prepare.version, of_bytes((content + json.dumps(card)).encode())[:12]) == (
        2,
        "bb9404bd45b7",
    ), (
        "Prepare gives other rows for the same input: raise Prepare.version by one and update this line"
    )
