"""Collecting: any file becomes conversations; what is lost is named, counted and bounded."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.config import parse
from tunesmith.core.digest import of_bytes
from tunesmith.core.errors import ConfigError, DataError
from tunesmith.core.stage import Context
from tunesmith.prepare.config import CollectConfig, CollectPreferencesConfig
from tunesmith.prepare.stage import Collect, CollectInputs, CollectPreferences
from tunesmith.records.conversation import Conversation
from tunesmith.records.preference import Preference
from tunesmith.records.rows import read_conversations, read_preferences

Told = Callable[[str], list[dict[str, Any]]]
COLUMNS = {"prompt": "Write the {section} section: {dialogue}", "completion": "{note}"}
TABLE = "id,section,dialogue,note\n1,PLAN,Doctor: Rest.,Rest.\n2,ROS,Doctor: Pain?,No pain.\n"


def collect(ctx: Context, **values: object) -> list[Conversation]:
    config = parse(CollectConfig, values, source="test")
    return list(read_conversations(Collect().run(config, CollectInputs(), ctx).rows.path))


def prefer(ctx: Context, **values: object) -> list[Preference]:
    config = parse(CollectPreferencesConfig, values, source="test")
    out = CollectPreferences().run(config, CollectInputs(), ctx)
    return list(read_preferences(out.pairs.path))


def lines(*rows: object) -> str:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


def test_columns_are_mapped_by_templates(ctx: Context) -> None:
    (ctx.project / "rows.csv").write_text(TABLE)
    rows = collect(
        ctx, rows="rows.csv", columns={**COLUMNS, "group": "{id}", "system": "Be brief."}
    )
    assert [m.content for m in rows[0].messages] == [
        "Be brief.",
        "Write the PLAN section: Doctor: Rest.",
        "Rest.",
    ]
    assert [(row.source, row.row, row.group) for row in rows] == [
        ("rows.csv", 0, "1"),
        ("rows.csv", 1, "2"),
    ]


def test_a_missing_column_names_the_column_and_the_nearest(ctx: Context) -> None:
    (ctx.project / "rows.csv").write_text(TABLE)
    with pytest.raises(DataError) as caught:
        collect(ctx, rows="rows.csv", columns={"prompt": "{dialog}", "completion": "{note}"})
    assert caught.value.what == "rows.csv has no column `dialog`"
    assert caught.value.fix == "did you mean `dialogue`?"


def test_a_column_that_only_some_rows_have_is_no_missing_column(ctx: Context) -> None:
    (ctx.project / "rows.jsonl").write_text(
        lines({"q": "1", "a": "x"}, {"q": "2", "a": "y", "c": "z"})
    )
    rows = collect(ctx, rows="rows.jsonl", columns={"prompt": "{q} {c}", "completion": "{a}"})
    assert [row.prompt[0].content for row in rows] == ["2 z"]


def test_broken_lines_are_named_counted_and_passed_by(ctx: Context, told: Told) -> None:
    good = {"instruction": "q", "output": "a"}
    (ctx.project / "rows.jsonl").write_text(lines(good, '{"instruction": ', good, "[1]", good))
    assert [row.row for row in collect(ctx, rows="rows.jsonl")] == [0, 2, 4]
    (account,) = told("accounting")
    assert (account["rows_in"], account["rows_out"]) == (5, 3)
    assert account["dropped"] == {"broken JSON": 1, "not an object": 1}
    notes = [event["text"] for event in told("note")]
    assert any("rows.jsonl line 2: broken JSON" in note for note in notes)


def test_byte_order_mark_bad_utf8_and_nul_are_counted_by_reason(ctx: Context, told: Told) -> None:
    data = (
        b'\xef\xbb\xbf{"prompt": "q", "completion": "a"}\n{"prompt": "\xff", "completion": "a"}\n'
    )
    data += b'{"prompt": "q\0", "completion": "a"}\n{"prompt": "q4", "completion": "a"}\n'
    (ctx.project / "rows.jsonl").write_bytes(data)
    assert [row.row for row in collect(ctx, rows="rows.jsonl")] == [0, 3]
    assert told("accounting")[0]["dropped"] == {"bad UTF-8": 1, "NUL character": 1}


def test_empty_outputs_are_dropped_with_their_number_and_rows(ctx: Context, told: Told) -> None:
    rows = [{"instruction": f"q{i}", "output": "" if i % 3 == 1 else "a"} for i in range(9)]
    (ctx.project / "rows.json").write_text(json.dumps(rows))
    assert len(collect(ctx, rows="rows.json")) == 6
    assert told("accounting")[0]["dropped"] == {"empty output": 3}
    assert told("note")[0]["text"] == "rows.json: 3 row(s) left out, empty output: 1, 4, 7"
    assert told("fact")[0]["body"]["dropped"] == [
        {"reason": "empty output", "count": 3, "rows": [1, 4, 7]}
    ]


@pytest.mark.parametrize(
    ("bad", "of", "limit", "fails"),
    [(1, 3, 0.1, False), (5, 10, 0.1, False), (6, 10, 0.1, True), (6, 100, 0.1, False), (1, 9, 0, True),
     (7, 10, 7, False), (8, 10, 7, True), (3, 3, 0.1, True)],
)  # fmt: skip
def test_too_many_bad_rows_fail(ctx: Context, bad: int, of: int, limit: float, fails: bool) -> None:
    rows = ["{"] * bad + [json.dumps({"text": f"t{i}"}) for i in range(of - bad)]
    (ctx.project / "rows.jsonl").write_text(lines(*rows))
    if not fails:
        assert len(collect(ctx, rows="rows.jsonl", max_bad_rows=limit)) == of - bad
        return
    with pytest.raises(DataError) as caught:
        collect(ctx, rows="rows.jsonl", max_bad_rows=limit)
    assert caught.value.code == "too-many-bad-rows"
    assert "line 1: broken JSON" in caught.value.why


def test_a_file_in_another_encoding_is_told_the_setting(ctx: Context) -> None:
    text = "".join(f'{{"prompt": "你好{i}", "completion": "好"}}\n' for i in range(20))
    (ctx.project / "rows.jsonl").write_bytes(text.encode("gb18030"))
    with pytest.raises(DataError) as caught:
        collect(ctx, rows="rows.jsonl")
    assert "gb18030" in caught.value.fix
    assert len(collect(ctx, rows="rows.jsonl", encoding="gb18030")) == 20


def test_a_slice_and_a_limit_choose_rows_by_position(ctx: Context) -> None:
    (ctx.project / "rows.jsonl").write_text(lines(*({"text": f"t{i}"} for i in range(10))))
    for bounds, wanted in (
        ("2:5", [2, 3, 4]),
        (":2", [0, 1]),
        ("8:", [8, 9]),
        ("", list(range(10))),
    ):
        assert [row.row for row in collect(ctx, rows="rows.jsonl", slice=bounds)] == wanted
    first = collect(ctx, rows="rows.jsonl", slice="2:9", max_rows=2)
    assert [row.row for row in first] == [2, 3]
    assert first == collect(ctx, rows="rows.jsonl", slice="2:4")


def test_the_limit_keeps_the_account_true(ctx: Context, told: Told) -> None:
    (ctx.project / "rows.jsonl").write_text(lines("{", *({"text": f"t{i}"} for i in range(10))))
    collect(ctx, rows="rows.jsonl", max_rows=3)
    (account,) = told("accounting")
    assert (account["rows_in"], account["rows_out"]) == (4, 3)


def test_a_folder_gives_the_rows_of_every_file(ctx: Context) -> None:
    for name in ("b.jsonl", "a.jsonl"):
        (ctx.project / "many").mkdir(exist_ok=True)
        (ctx.project / "many" / name).write_text(lines({"text": name}))
    rows = collect(ctx, rows="many")
    assert [(row.source, row.row) for row in rows] == [("many/a.jsonl", 0), ("many/b.jsonl", 0)]


def test_no_row_at_all_is_an_error_that_says_why(ctx: Context) -> None:
    (ctx.project / "rows.jsonl").write_text(lines({"instruction": "q", "output": ""}))
    with pytest.raises(DataError) as caught:
        collect(ctx, rows="rows.jsonl")
    assert (caught.value.code, "empty output 1" in caught.value.why) == ("no-rows-left", True)


def test_an_unknown_format_suggests_the_mapping(ctx: Context) -> None:
    (ctx.project / "rows.csv").write_text("question,answer\nq,a\n")
    with pytest.raises(DataError) as caught:
        collect(ctx, rows="rows.csv")
    assert 'prompt: "{question}"' in caught.value.fix
    with pytest.raises(DataError, match="no column `instruction`"):
        collect(ctx, rows="rows.csv", format="alpaca")


def test_a_file_that_changed_after_planning_is_refused(ctx: Context) -> None:
    data = lines({"text": "t"}).encode()
    (ctx.project / "rows.jsonl").write_bytes(data)
    assert collect(ctx, rows="rows.jsonl", fingerprint=of_bytes(data))
    (ctx.project / "rows.jsonl").write_bytes(data * 2)
    with pytest.raises(DataError) as caught:
        collect(ctx, rows="rows.jsonl", fingerprint=of_bytes(data))
    assert caught.value.code == "source-changed"


@pytest.mark.parametrize(
    "values",
    [
        {"rows": "a", "colums": {}},
        {"rows": "a", "slice": "1-2"},
        {"rows": "a", "max_rows": "many"},
        {},
    ],
)
def test_misspelt_and_wrong_settings_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        parse(CollectConfig, values, source="test")


def test_preferences_are_collected_in_every_layout(ctx: Context, told: Told) -> None:
    rows = [
        {"prompt": "q", "chosen": "good", "rejected": "bad"},
        {"prompt": "q", "chosen": "same", "rejected": "same"},
        {"chosen": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "good"}],
         "rejected": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "bad"}]},
    ]  # fmt: skip
    (ctx.project / "pairs.jsonl").write_text(lines(*rows))
    pairs = prefer(ctx, rows="pairs.jsonl")
    assert [(p.prompt[0].content, p.chosen, p.rejected, p.row) for p in pairs] == [
        ("q", "good", "bad", 0),
        ("q", "good", "bad", 2),
    ]
    assert told("accounting")[0]["dropped"] == {"equal answers": 1}


def test_preferences_may_be_mapped_and_their_columns_are_checked(ctx: Context) -> None:
    (ctx.project / "pairs.csv").write_text("q,right,wrong\nWho?,Ann,Bob\n")
    columns = {"prompt": "{q}", "chosen": "{right}", "rejected": "{wrong}"}
    (pair,) = prefer(ctx, rows="pairs.csv", columns=columns)
    assert (pair.prompt[0].content, pair.chosen, pair.rejected) == ("Who?", "Ann", "Bob")
    with pytest.raises(DataError, match="no column `chosen`"):
        prefer(ctx, rows="pairs.csv")


def test_a_stop_is_heard_while_rows_are_read(ctx: Context) -> None:
    from tunesmith.core.errors import Stopped

    (ctx.project / "rows.jsonl").write_text(lines(*({"text": "t"} for _ in range(2000))))
    ctx.stop.set()
    with pytest.raises(Stopped):
        collect(ctx, rows="rows.jsonl")


def test_equal_input_gives_the_known_rows(ctx: Context, tmp_path: Path) -> None:
    (ctx.project / "rows.csv").write_text(TABLE)
    (ctx.project / "pairs.jsonl").write_text(lines({"prompt": "q", "chosen": "a", "rejected": "b"}))
    rows = collect(ctx, rows="rows.csv", columns=COLUMNS)
    pairs = prefer(ctx, rows="pairs.jsonl")
    assert (Collect.version, of_bytes(repr(rows).encode())[:12]) == (1, "ad9b0ffceaa1"), (
        "Collect gives other rows for the same input: raise Collect.version by one and update this line"
    )
    assert (CollectPreferences.version, of_bytes(repr(pairs).encode())[:12]) == (
        1,
        "d1d1e796d16c",
    ), (
        "CollectPreferences gives other rows for the same input: raise CollectPreferences.version "
        "by one and update this line"
    )
