"""Rows that cannot be used: counted by reason with their place, or a clear end; never a crash."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunesmith import open_run
from tunesmith.core.store import Store

Rows = list[dict[str, Any]]


@pytest.fixture
def project(make_project: Callable[..., Path]) -> Path:
    return make_project(recipe="sft")


@pytest.fixture
def prepare(tunesmith_command: Callable[..., Any], project: Path) -> Callable[..., Any]:
    def run(*settings: str) -> Any:
        arguments = [word for setting in settings for word in ("--set", setting)]
        return tunesmith_command("prepare", "-C", project, *arguments)

    return run


def lines_of(project: Path) -> list[bytes]:
    return (project / "visits.jsonl").read_bytes().splitlines()


def write(project: Path, lines: list[bytes], start: bytes = b"") -> None:
    (project / "visits.jsonl").write_bytes(start + b"\n".join(lines) + b"\n")


def rows_of(project: Path) -> Rows:
    return [json.loads(line) for line in lines_of(project)]


def collected(project: Path) -> tuple[int, int, dict[str, int]]:
    [step] = [s for s in open_run(project)["accounting"] if s["stage"] == "collect"]
    return step["rows_in"], step["rows_out"], step["dropped"]


# columns


def test_a_missing_column_is_told_with_the_file_and_the_nearest(
    project: Path, prepare: Callable[..., Any]
) -> None:
    told = prepare("data.columns.prompt={vist}").refusal("column-missing")
    assert "visits.jsonl has no column `vist`" in told
    assert "`columns.prompt`" in told
    assert "did you mean `visit`?" in told


@pytest.mark.parametrize(
    "template", ["{visit.__class__.__mro__}", "{visit[0]}", "{visit!r:>99999999999}", "{visit"]
)
def test_a_template_reaches_nothing_but_the_cells_of_its_row(
    project: Path, prepare: Callable[..., Any], template: str
) -> None:
    ended = prepare(f"data.columns.prompt='Write: {template}'")
    code = "template-invalid" if "template-invalid" in ended.err else "column-missing"
    assert template in ended.refusal(code)
    assert not list((project / ".tunesmith" / "store").rglob("rows.parquet"))


# rows that are left out


def test_rows_without_an_answer_are_counted_by_reason_and_named(
    project: Path, prepare: Callable[..., Any]
) -> None:
    rows = rows_of(project)
    rows[3]["note"], rows[7]["note"], rows[11]["note"] = "", "  \n", None
    del rows[9]["note"]
    write(project, [json.dumps(row).encode() for row in rows])
    ended = prepare()
    assert ended.code == 0, ended.err
    assert collected(project) == (48, 44, {"empty output": 3, "missing column note": 1})
    assert "visits.jsonl: 3 row(s) left out, empty output: 3, 7, 11\n" in ended.out
    assert "visits.jsonl row 9: missing column note" in ended.out
    assert "44 of 48 rows were fit to use" in ended.out


def broken(project: Path) -> None:
    """A row cut short, one that is a list, one with NUL, one with bad bytes; a byte order mark before all."""
    lines = lines_of(project)
    lines[4], lines[6] = lines[4][:-5], b"[1, 2]"
    lines[8] = lines[8].replace(b"Doctor", b"Doc\0tor", 1)
    lines[20] = lines[20].replace(b"visitor", b"visitor \xff\xfe", 1)
    write(project, lines, start=b"\xef\xbb\xbf")


def test_broken_rows_are_told_with_their_lines_and_the_rest_goes_on(
    project: Path, prepare: Callable[..., Any]
) -> None:
    broken(project)
    ended = prepare()
    assert ended.code == 0, ended.err
    reasons = ("broken JSON", "not an object", "NUL character", "bad UTF-8")
    assert collected(project) == (48, 44, dict.fromkeys(reasons, 1))
    assert (
        "visits.jsonl line 5: broken JSON: Unterminated string starting at at character"
        in ended.out
    )
    assert "visits.jsonl line 7: not an object: a list, not an object" in ended.out
    assert "visits.jsonl line 9: NUL character" in ended.out


def test_more_broken_rows_than_are_allowed_end_the_run(
    project: Path, prepare: Callable[..., Any]
) -> None:
    broken(project)
    told = prepare("data.max_bad_rows=3").refusal("too-many-bad-rows")
    assert "visits.jsonl: 4 of 48 rows cannot be used, more than 3" in told
    assert "visits.jsonl line 5: broken JSON" in told
    assert "`max_bad_rows`" in told


def test_text_that_no_encoding_can_write_is_a_bad_row(
    project: Path, prepare: Callable[..., Any]
) -> None:
    rows = rows_of(project)
    rows[2]["note"] += "\ud800"
    rows[5]["visit"] += "\x00"
    write(project, [json.dumps(row).encode() for row in rows])
    ended = prepare()
    assert ended.code == 0, ended.err
    rows_in, rows_out, dropped = collected(project)
    assert (rows_in, rows_in - rows_out) == (48, sum(dropped.values()))
    assert sum(dropped.values()) == 2, dropped


# files of which nothing is left


def test_a_file_of_broken_rows_only_ends_the_run(
    project: Path, prepare: Callable[..., Any]
) -> None:
    write(project, [line[:-3] for line in lines_of(project)])
    assert "48 of 48 rows cannot be used" in prepare().refusal("too-many-bad-rows")


def test_a_file_without_rows_ends_the_run(project: Path, prepare: Callable[..., Any]) -> None:
    (project / "visits.jsonl").write_bytes(b"")
    assert "visits.jsonl gives no row" in prepare().refusal("no-rows-left")


def test_a_file_without_answers_ends_the_run_with_the_reason(
    project: Path, prepare: Callable[..., Any]
) -> None:
    write(project, [json.dumps({**row, "note": ""}).encode() for row in rows_of(project)])
    assert "empty output 48" in prepare().refusal("no-rows-left")


def test_rules_that_drop_every_row_end_the_run_with_the_rule(
    project: Path, prepare: Callable[..., Any]
) -> None:
    told = prepare("prepare.length.prompt_at_least=10000").refusal("no-rows-left")
    assert "48 rows were dropped for `length: prompt < 10000 words`" in told
    assert "`prepare`" in told


@pytest.mark.real
def test_rows_too_few_to_test_on_end_the_run_before_a_number_is_made_of_none(
    project: Path, tunesmith_command: Callable[..., Any]
) -> None:
    write(project, lines_of(project)[:3])
    ended = tunesmith_command("run", "-C", project)
    assert "prepare.split" in ended.refusal("no-rows")
    assert open_run(project)["metrics"] == []


# files that are no data


@pytest.mark.parametrize(
    ("name", "body", "code", "words"),
    [
        ("x.parquet", b"PAR1" + b"\x00" * 96, "file-unreadable", "not a whole Parquet file"),
        ("x.jsonl", b"\x7fELF" + bytes(range(256)) * 40, "too-many-bad-rows", "x.jsonl line 1"),
        ("x.json", b'{"a": ', "too-many-bad-rows", "x.json line 1: broken JSON"),
        ("x.json", b'[{"visit": "a", "note": "b"}, {"visit": ', "file-unreadable", "near line 1"),
        ("x.xyz", b"hello", "file-unreadable", ".jsonl, .ndjson, .json, .csv, .tsv, .parquet"),
        ("x.csv", b"visit,visit\na,b\n", "file-unreadable", "two columns are called `visit`"),
        ("x.csv", b"visit,note\na,b,c\n", "too-many-bad-rows", "x.csv line 2: wrong number of cells"),
        ("x.csv", "visit,note\na,b\n".encode("utf-16"), "file-unreadable", "encoding: utf-16"),
        ("x.jsonl.gz", b"\x1f\x8bnot gzip", "file-unreadable", "x.jsonl.gz"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_data_is_told_by_name(
    project: Path, prepare: Callable[..., Any], name: str, body: bytes, code: str, words: str
) -> None:
    (project / name).write_bytes(body)
    told = prepare(f"data.rows={name}").refusal(code)
    assert name in told
    assert words in told


def test_a_file_that_changes_between_two_runs_is_read_anew(
    project: Path, prepare: Callable[..., Any]
) -> None:
    assert prepare().code == 0
    write(project, lines_of(project)[:-1])
    assert "↺" not in prepare().out
    assert collected(project)[:2] == (47, 47)


def test_what_bad_rows_leave_in_the_store_is_whole(
    project: Path, prepare: Callable[..., Any]
) -> None:
    broken(project)
    prepare()
    store = Store(project / ".tunesmith" / "store")
    assert [store.verify(address) for address in store.addresses()] == [[]] * 5
