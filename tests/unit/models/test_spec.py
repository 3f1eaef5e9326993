import json
from pathlib import Path

import pytest

from tunesmith.core.errors import ModelError
from tunesmith.models.spec import from_config, read_spec

SMOL = {
    "model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
    "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49152, "head_dim": 64,
    "tie_word_embeddings": True, "max_position_embeddings": 8192,
}  # fmt: skip


def test_smollm2_has_134_515_008_parameters() -> None:
    assert from_config(SMOL).parameters == 134_515_008


def test_lora_of_rank_16_on_every_linear_layer_trains_4_884_480_of_them() -> None:
    spec = from_config(SMOL)
    assert spec.lora_parameters(16) == 4_884_480
    assert spec.lora_parameters(16, ("q_proj", "v_proj")) == 30 * 16 * (576 + 576 + 576 + 192)


def test_a_target_that_is_no_layer_is_refused_with_the_nearest() -> None:
    with pytest.raises(ModelError) as raised:
        from_config(SMOL).targets(("q_prj",))
    assert "q_proj" in raised.value.fix


@pytest.mark.parametrize("change", [{"model_type": "bloom"}, {"hidden_size": None}])
def test_a_config_that_cannot_be_planned_from_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ModelError):
        from_config({**SMOL, **change})


def test_a_folder_without_a_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json"):
        read_spec(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(SMOL))
    assert read_spec(tmp_path).layers == 30
