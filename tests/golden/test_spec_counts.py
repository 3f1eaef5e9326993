"""Parameter counts against Transformers 5.23: AutoModelForCausalLM.from_config on the meta device."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from tunesmith.models.spec import FAMILIES, from_config

SHAPES = {
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "vocab_size": 101,
    "pad_token_id": 0,
}


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize(
    "more", [{}, {"attention_bias": True, "mlp_bias": True}, {"tie_word_embeddings": True}]
)
def test_the_parameters_read_from_config_are_those_of_transformers(
    family: str, more: dict[str, object], tmp_path: Path
) -> None:
    config = AutoConfig.for_model(family, **SHAPES, **more)
    config.save_pretrained(tmp_path)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    body = json.loads((tmp_path / "config.json").read_text())
    assert from_config(body).parameters == model.num_parameters()
