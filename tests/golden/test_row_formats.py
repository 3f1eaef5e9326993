"""The field's own demonstration files: every row is read, counted, and equal to the file's text.

Reference: the data files of LLaMA-Factory 0.9.5's source archive, read here with plain `json`.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tunesmith.records.formats import converter, detect
from tunesmith.records.pairs import Pair, convert_pair
from tunesmith.records.raw import RawRow
from tunesmith.records.readers import read_file
from tunesmith.records.turns import Refusal
from tunesmith.sources.fetch import fetch

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = tmp_path_factory.mktemp("cache")
    return fetch("pypi://llamafactory==0.9.5/data", cache=cache, project=cache)


def values_of(path: Path) -> list[Any]:
    reads = list(read_file(path))
    assert all(isinstance(read, RawRow) for read in reads)
    return [read.values for read in reads if isinstance(read, RawRow)]


@pytest.mark.parametrize(
    ("name", "form", "kept", "refused"),
    [
        ("alpaca_en_demo.json", "alpaca", 999, {}),
        ("alpaca_zh_demo.json", "alpaca", 1000, {}),
        ("identity.json", "alpaca", 91, {}),
        ("kto_en_demo.json", "kto", 150, {"unwanted answer (label is false)": 150}),
        ("glaive_toolcall_en_demo.json", "sharegpt", 109, {"tool calls": 191}),
        ("c4_demo.jsonl", "text", 300, {}),
        ("mllm_demo.json", "messages", 0, {"image, audio or video": 6}),
    ],
)
def test_every_row_of_a_known_format_is_kept_or_has_its_reason(
    data: Path, name: str, form: str, kept: int, refused: dict[str, int]
) -> None:
    rows = values_of(data / name)
    assert {detect(row) for row in rows} == {form}
    made = [converter(form)(row) for row in rows]
    assert sum(not isinstance(m, Refusal) for m in made) == kept
    assert Counter(m.reason for m in made if isinstance(m, Refusal)) == refused


def test_an_alpaca_row_keeps_its_text_to_the_letter(data: Path) -> None:
    reference = json.loads((data / "alpaca_zh_demo.json").read_text("utf-8"))
    for row, plain in zip(values_of(data / "alpaca_zh_demo.json"), reference, strict=True):
        user, assistant = converter("alpaca")(row)
        asked = plain["instruction"] + ("\n" + plain["input"] if plain["input"].strip() else "")
        assert (user.content, assistant.content) == (asked, plain["output"])  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["dpo_en_demo.json", "dpo_zh_demo.json"])
def test_every_pair_is_read_and_equal_to_the_file(data: Path, name: str) -> None:
    reference = json.loads((data / name).read_text("utf-8"))
    refused = Counter[str]()
    for row, plain in zip(values_of(data / name), reference, strict=True):
        pair = convert_pair(row)
        if isinstance(pair, Pair):
            assert pair.chosen == plain["chosen"]["value"]
            assert pair.rejected == plain["rejected"]["value"]
            assert [m.content for m in pair.prompt if m.role != "system"] == [
                turn["value"] for turn in plain["conversations"] if turn["from"] != "system"
            ]
        else:
            refused[pair.reason] += 1
    assert refused.total() <= 3, refused
