import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.budget.memory import Precision
from tunesmith.core.errors import ConfigError
from tunesmith.models.adapter import LoraSettings
from tunesmith.models.spec import ModelSpec, from_config
from tunesmith.select.choice import Counts, choose, fit, reason
from tunesmith.select.config import SelectConfig

PLENTY = 10**12


def tiny() -> ModelSpec:
    return from_config(
        {
            "model_type": "llama", "num_hidden_layers": 2, "hidden_size": 64, "intermediate_size": 192,
            "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 512,
        }
    )  # fmt: skip


def counts(rows: int) -> Counts:
    return Counts([100] * rows, [40] * rows)


def chosen(config: SelectConfig, rows: int, limit: int = PLENTY) -> str:
    return choose(config, rows, fit(tiny(), config, counts(rows), limit_bytes=limit))


def test_few_rows_get_lora() -> None:
    assert chosen(SelectConfig(), 75) == "lora"


def test_many_rows_get_full_tuning_when_it_fits() -> None:
    assert chosen(SelectConfig(full_from_rows=50), 50) == "full"


def test_many_rows_get_lora_when_full_tuning_does_not_fit() -> None:
    config = SelectConfig(full_from_rows=50, lora=LoraSettings(r=1), train_batch_size=1)
    fitted = fit(tiny(), config, counts(50), limit_bytes=PLENTY)
    assert fitted["lora"].memory.bytes < fitted["full"].memory.bytes
    assert chosen(config, 50, fitted["full"].memory.bytes - 1) == "lora"


@given(
    rows=st.integers(1, 200),
    threshold=st.integers(1, 200),
    limit=st.integers(530_000_000, 545_000_000),
)
def test_prefix_tuning_is_never_chosen_by_itself(rows: int, threshold: int, limit: int) -> None:
    config = SelectConfig(full_from_rows=threshold)
    fitted = fit(tiny(), config, counts(rows), limit_bytes=limit)
    if fitted["lora"].fits:
        assert choose(config, rows, fitted) in {"lora", "full"}


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_named_method_is_taken(method: str) -> None:
    assert chosen(SelectConfig(method=method), 75) == method  # type: ignore[arg-type]


def test_what_cannot_fit_is_refused_with_its_size() -> None:
    with pytest.raises(ConfigError, match=r"full tuning needs 0\.\d GB"):
        chosen(SelectConfig(method="full"), 75, limit=1000)


def test_more_rows_in_a_micro_batch_need_more_memory() -> None:
    def planned(rows: int) -> int:
        fitted = fit(tiny(), SelectConfig(), counts(8), limit_bytes=PLENTY, micro_batch=rows)
        return fitted["lora"].memory.bytes

    assert planned(1) < planned(2) < planned(8)


def test_float32_needs_more_memory_than_bf16() -> None:
    def planned(precision: Precision) -> int:
        fitted = fit(tiny(), SelectConfig(), counts(8), limit_bytes=PLENTY, precision=precision)
        return fitted["lora"].memory.bytes

    assert planned(Precision(forward=2)) < planned(Precision(forward=4))


def test_every_candidate_has_a_reason() -> None:
    config = SelectConfig()
    reasons = {
        name: reason(name, "lora", config, 75, fits=True) for name in ("full", "lora", "prefix")
    }
    assert "75 rows are fewer than 10,000" in reasons["lora"]
    assert "75 rows are fewer than 10,000" in reasons["full"]
    assert "0.186" in reasons["prefix"]
