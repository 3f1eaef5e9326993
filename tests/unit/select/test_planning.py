import json
from pathlib import Path

import pytest

from tunesmith.core.artifact import Artifact
from tunesmith.core.errors import ConfigError
from tunesmith.core.events import read
from tunesmith.core.stage import Context
from tunesmith.records.conversation import Conversation, Message, identify
from tunesmith.records.rows import write_conversations
from tunesmith.select.config import PriceConfig, SelectConfig
from tunesmith.select.planning import price_of
from tunesmith.select.stage import Select, SelectInputs


def row(i: int, words: int) -> Conversation:
    turns = (Message("user", "question " * words), Message("assistant", "answer"))
    return Conversation(turns, "rows.jsonl", i, identify(turns, "rows.jsonl", i))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    write_conversations(tmp_path / "rows", [row(i, words=1 + i) for i in range(20)])
    return tmp_path / "rows"


def selected(model: Path, rows: Path, ctx: Context, config: SelectConfig) -> dict[str, object]:
    inputs = SelectInputs(Artifact("m", model), Artifact("r", rows))
    out = Select().run(config, inputs, ctx).choice.path
    return dict(json.loads((out / "choice.json").read_text()))


RATE = PriceConfig(matmul_rate=1e11)


def plan_of(ctx: Context) -> dict[str, object]:
    facts = [e for e in read(ctx.project / "events.jsonl") if e["kind"] == "fact"]
    return dict(next(e["body"] for e in facts if e["name"] == "plan"))


def test_few_rows_give_lora_with_its_reason(
    tiny_folder: Path, rows: Path, context: Context
) -> None:
    choice = selected(tiny_folder, rows, context, SelectConfig(price=RATE))
    assert choice["method"] == "lora"
    assert choice["rows"] == 20
    assert "20 rows are fewer than 10,000" in str(choice["reason"])


def test_the_choice_is_the_same_bytes_whatever_the_measured_speed_and_price(
    tiny_folder: Path, rows: Path, context: Context
) -> None:
    slow = selected(tiny_folder, rows, context, SelectConfig(price=RATE))
    fast = PriceConfig(matmul_rate=9e11, price_per_hour=4.0, currency="USD")
    assert selected(tiny_folder, rows, context, SelectConfig(price=fast)) == slow


def test_rows_over_the_longest_length_are_not_counted(
    tiny_folder: Path, rows: Path, context: Context
) -> None:
    choice = selected(tiny_folder, rows, context, SelectConfig(price=RATE, max_length=100))
    assert 0 < int(str(choice["rows"])) < 20


def test_the_plan_lists_every_method_with_memory_time_and_cost(
    tiny_folder: Path, rows: Path, context: Context
) -> None:
    price = PriceConfig(matmul_rate=1e11, price_per_hour=3.6, currency="CNY")
    selected(tiny_folder, rows, context, SelectConfig(price=price))
    plan = plan_of(context)
    candidates = plan["candidates"]
    assert isinstance(candidates, list)
    assert [c["method"] for c in candidates] == ["full", "lora", "prefix"]
    for each in candidates:
        assert each["memory_bytes"] == sum(line["bytes"] for line in each["memory_lines"])
        assert each["cost"] == pytest.approx(each["seconds"] * 0.001)
    assert plan["chosen"] == "lora"


def test_an_unmeasured_rate_is_measured_and_said(
    tiny_folder: Path, rows: Path, context: Context
) -> None:
    selected(tiny_folder, rows, context, SelectConfig())
    machine = plan_of(context)["machine"]
    assert isinstance(machine, dict)
    assert machine["matmul_rate"] > 0


def test_an_unknown_machine_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError) as refused:
        price_of(PriceConfig(machine="rented-h100-80g"))
    assert "rented-h100-80gb" in refused.value.fix


def test_the_table_is_shown_in_the_wanted_currency() -> None:
    yuan = price_of(PriceConfig(machine="rented-h100-80gb", currency="CNY"))
    dollars = price_of(PriceConfig(machine="rented-h100-80gb", currency="USD"))
    assert yuan.per_hour > dollars.per_hour
