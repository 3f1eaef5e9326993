"""Packed rows against Transformers 5.23's own SDPA attention, one row at a time, for each family."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from tunesmith.integrations.transformers_training import LabelLogits
from tunesmith.models.spec import FAMILIES
from tunesmith.tokens.batch import collate
from tunesmith.tokens.chat import Encoded

LENGTHS = (23, 5, 40, 1, 17)
SHAPES = {
    "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2, "num_attention_heads": 6,
    "num_key_value_heads": 2, "vocab_size": 101, "pad_token_id": 0, "max_position_embeddings": 64,
    "sliding_window": 8, "head_dim": 8,
}  # fmt: skip


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"gemma2"}))
def test_packed_logits_are_those_of_each_row_alone(family: str) -> None:
    torch.manual_seed(0)
    config = AutoConfig.for_model(family, **SHAPES)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").double().eval()
    draw = torch.Generator().manual_seed(1)
    rows = [torch.randint(1, 101, (n,), generator=draw) for n in LENGTHS]
    encoded = [Encoded(tuple(row.tolist()), (True,) * len(row)) for row in rows]
    with torch.no_grad():
        expected = torch.cat([model(row[None]).logits[0, :-1] for row in rows])
        packed = LabelLogits(model)(collate(encoded, range(len(rows))))
    torch.testing.assert_close(packed, expected, rtol=1e-5, atol=1e-6)
