"""Every kind of data file is read as a stream; a bad row is named, and the rest goes on."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunesmith.core.errors import DataError
from tunesmith.records import json_rows
from tunesmith.records.raw import BadRow, RawRow
from tunesmith.records.readers import data_files, read_file

VALUES = st.dictionaries(
    st.text("abc", min_size=1, max_size=3),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=30)
    | st.integers()
    | st.none()
    | st.lists(st.booleans(), max_size=2),
    min_size=1,
)


def write(path: Path, data: bytes | str) -> Path:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def values_of(path: Path, **how: str) -> list[object]:
    return [read.values for read in read_file(path, **how) if isinstance(read, RawRow)]


def bad_of(path: Path, **how: str) -> list[BadRow]:
    return [read for read in read_file(path, **how) if isinstance(read, BadRow)]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(VALUES, max_size=6))
def test_one_content_reads_the_same_from_every_json_layout(
    rows: list[dict[str, object]], tmp_path: Path
) -> None:
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    as_lines = write(tmp_path / "a.jsonl", lines)
    as_array = write(tmp_path / "a.json", json.dumps(rows, indent=2, ensure_ascii=False))
    packed = write(tmp_path / "a.jsonl.gz", gzip.compress(lines.encode()))
    assert values_of(as_lines) == values_of(as_array) == values_of(packed) == rows


def test_an_array_longer_than_a_piece_is_read_item_by_item(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_rows, "_CHUNK", 7)
    rows = [{"text": "x" * length, "n": length} for length in range(0, 60, 7)]
    assert values_of(write(tmp_path / "a.json", json.dumps(rows, indent=3))) == rows


def test_objects_in_a_json_file_without_an_array_are_read_as_lines(tmp_path: Path) -> None:
    assert values_of(write(tmp_path / "a.json", '{"a": 1}\n{"a": 2}\n')) == [{"a": 1}, {"a": 2}]


def test_a_broken_json_line_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"a": 1}\n\n{"a": \n[1]\n{"a": 4}\n')
    assert [(bad.row, bad.line, bad.reason) for bad in bad_of(path)] == [
        (1, 3, "broken JSON"),
        (2, 4, "not an object"),
    ]
    assert values_of(path) == [{"a": 1}, {"a": 4}]


def test_a_broken_array_names_the_file_and_the_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", '[{"a": 1},\n {"a": 2},\n {"a": ]')
    with pytest.raises(DataError) as caught:
        list(read_file(path))
    assert "a.json" in caught.value.what
    assert "line 3" in caught.value.why


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    csv = write(tmp_path / "a.csv", b"\xef\xbb\xbfq,a\r\n1,2\r\n")
    lines = write(tmp_path / "a.jsonl", b'\xef\xbb\xbf{"q": "1"}\n')
    assert values_of(csv) == [{"q": "1", "a": "2"}]
    assert values_of(lines) == [{"q": "1"}]


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.json"])
def test_bad_utf8_spoils_its_own_row_only(tmp_path: Path, name: str) -> None:
    data = {
        "a.jsonl": b'{"q": "ok"}\n{"q": "caf\xe9"}\n{"q": "fine"}\n',
        "a.csv": b"q\nok\ncaf\xe9\nfine\n",
        "a.json": b'[{"q": "ok"}, {"q": "caf\xe9"}, {"q": "fine"}]',
    }[name]
    path = write(tmp_path / name, data)
    (bad,) = bad_of(path)
    assert (bad.row, bad.reason) == (1, "bad UTF-8")
    assert "0xe9" in bad.detail
    assert values_of(path) == [{"q": "ok"}, {"q": "fine"}]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", b'{"q": "a\0b"}\n{"q": "ok"}\n'),
        ("a.jsonl", b'{"q": "a\\u0000b"}\n{"q": "ok"}\n'),
        ("a.csv", b"q\na\0b\nok\n"),
        ("a.json", b'[{"q": ["a\\u0000b"]}, {"q": "ok"}]'),
    ],
)
def test_a_nul_spoils_its_own_row_only(tmp_path: Path, name: str, data: bytes) -> None:
    path = write(tmp_path / name, data)
    assert [bad.reason for bad in bad_of(path)] == ["NUL character"]
    assert values_of(path) == [{"q": "ok"}]


def test_half_a_surrogate_pair_is_a_bad_row(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"q": "\\ud83d"}\n{"q": "\\ud83d\\ude00"}\n')
    assert "surrogate" in bad_of(path)[0].detail
    assert values_of(path) == [{"q": "\U0001f600"}]


def test_a_line_beyond_every_use_is_a_bad_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_rows, "LONGEST_LINE", 20)
    path = write(tmp_path / "a.jsonl", '{"q": "%s"}\n{"q": "ok"}\n' % ("x" * 50))
    assert [(bad.line, bad.reason) for bad in bad_of(path)] == [(1, "line too long")]
    assert values_of(path) == [{"q": "ok"}]


def test_json_nested_beyond_every_use_is_a_bad_row(tmp_path: Path) -> None:
    for depth in (300, 900, 100_000):
        deep = "[" * depth + "]" * depth
        path = write(tmp_path / "a.jsonl", f'{{"q": {deep}}}\n{{"q": 1}}\n')
        assert {"q": 1} in values_of(path)


def test_other_encodings_are_read_when_they_are_named(tmp_path: Path) -> None:
    text = '{"q": "你好，世界"}\n'
    chinese = write(tmp_path / "a.jsonl", text.encode("gb18030"))
    assert values_of(chinese, encoding="gb18030") == [{"q": "你好，世界"}]
    assert [bad.reason for bad in bad_of(chinese)] == ["bad UTF-8"]
    wide = write(tmp_path / "b.jsonl", text.encode("utf-16"))
    assert values_of(wide, encoding="utf-16") == [{"q": "你好，世界"}]
    with pytest.raises(DataError, match="cannot be read") as caught:
        values_of(wide)
    assert caught.value.fix == "set `encoding: utf-16`"
    torn = write(tmp_path / "c.jsonl", text.encode("utf-16")[:-1])
    with pytest.raises(DataError, match="cannot be read"):
        values_of(torn, encoding="utf-16")


def test_csv_cells_may_hold_commas_quotes_and_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'q,a\n"one, two","he said ""yes""\nand left"\n3,4\n')
    reads = list(read_file(path))
    assert [read.values for read in reads if isinstance(read, RawRow)] == [
        {"q": "one, two", "a": 'he said "yes"\nand left'},
        {"q": "3", "a": "4"},
    ]
    assert [read.line for read in reads] == [3, 4]


def test_semicolons_and_tabs_part_cells_too(tmp_path: Path) -> None:
    assert values_of(write(tmp_path / "a.csv", "q;a\n1,5;2\n")) == [{"q": "1,5", "a": "2"}]
    assert values_of(write(tmp_path / "a.tsv", "q\ta\n1\t2\n")) == [{"q": "1", "a": "2"}]


def test_a_csv_row_with_a_wrong_number_of_cells_is_a_bad_row(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "q,a\n1\n1,2,3\n\n4,5\n")
    assert [(bad.row, bad.line, bad.reason) for bad in bad_of(path)] == [
        (0, 2, "wrong number of cells"),
        (1, 3, "wrong number of cells"),
    ]
    assert values_of(path) == [{"q": "4", "a": "5"}]


def test_an_open_quote_names_the_lines_it_swallowed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'q,a\n1,2\n3,"four\n5,6\n')
    (bad,) = bad_of(path)
    assert (bad.line, bad.reason) == (3, "broken CSV")
    assert "lines 3 to 4" in bad.detail


def test_a_column_named_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        list(read_file(write(tmp_path / "a.csv", "q,q\n1,2\n")))
    assert "two columns are called `q`" in caught.value.why


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json"])
def test_an_empty_file_has_no_rows(tmp_path: Path, name: str) -> None:
    if name == "a.json":
        with pytest.raises(DataError, match="cannot be read"):
            list(read_file(write(tmp_path / name, "")))
    else:
        assert list(read_file(write(tmp_path / name, ""))) == []


def test_parquet_rows_are_read(tmp_path: Path) -> None:
    rows = [{"q": "1", "turns": [{"role": "user"}]}, {"q": None, "turns": []}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert values_of(tmp_path / "a.parquet") == rows


def test_a_torn_parquet_or_gzip_file_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", b"PAR1....")
    write(tmp_path / "a.jsonl.gz", gzip.compress(b'{"q": 1}\n' * 99)[:-12])
    for name in ("a.parquet", "a.jsonl.gz"):
        with pytest.raises(DataError, match=name):
            list(read_file(tmp_path / name))


def test_an_unknown_ending_is_told_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        list(read_file(write(tmp_path / "a.jsonll", "")))
    assert caught.value.fix == "did you mean `.jsonl`?"


def test_a_folder_gives_its_data_files_in_order(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("b/2.csv", "a.jsonl", "readme.md"):
        write(tmp_path / name, "")
    assert [file.name for file in data_files(tmp_path)] == ["a.jsonl", "2.csv"]
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="no data file"):
        data_files(tmp_path / "none")
