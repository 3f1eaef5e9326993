"""Two shapes: the tiny model of the unit tests, and Llama-7B as published."""

import pytest

from tunesmith.models.spec import ModelSpec, from_config


@pytest.fixture
def tiny() -> ModelSpec:
    return from_config(
        {
            "model_type": "llama", "num_hidden_layers": 2, "hidden_size": 64, "intermediate_size": 192,
            "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 512,
            "tie_word_embeddings": True,
        }
    )  # fmt: skip


@pytest.fixture
def llama_7b() -> ModelSpec:
    return from_config(
        {
            "model_type": "llama", "num_hidden_layers": 32, "hidden_size": 4096,
            "intermediate_size": 11008, "num_attention_heads": 32, "num_key_value_heads": 32,
            "vocab_size": 32000, "tie_word_embeddings": False,
        }
    )  # fmt: skip
