"""The memory plan's activations against what torch really keeps for the backward pass.

Reference: torch.autograd.graph.saved_tensors_hooks on Transformers' Llama (5.23) with PEFT's LoRA (0.21), each
storage counted once. Only whole layers are compared: two layers less one.
"""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from tunesmith.budget.memory import Precision, activation_bytes
from tunesmith.budget.method import Method
from tunesmith.models.spec import from_config

ROWS, LENGTH = 2, 50


def config(layers: int) -> LlamaConfig:
    return LlamaConfig(
        hidden_size=64, intermediate_size=192, num_hidden_layers=layers, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, vocab_size=512, tie_word_embeddings=True,
    )  # fmt: skip


def kept_bytes(layers: int, how: str, dtype: torch.dtype) -> int:
    """Bytes of distinct storages that the forward pass saves, weights excepted."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(config(layers)).to(dtype)
    body = model.model
    if how != "full":
        lora = LoraConfig(r=8, target_modules="all-linear", lora_dropout=0.0)
        get_peft_model(model, lora, autocast_adapter_dtype=how == "lora float32")
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in weights:
            kept.setdefault(place, tensor)
        return tensor

    ids = torch.randint(0, 512, (ROWS, LENGTH))
    mask = torch.ones(ROWS, LENGTH, dtype=torch.long)
    mask[0, -5:] = 0  # one padded row: without padding no mask is built
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        hidden = body(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    assert hidden.requires_grad
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.filterwarnings("ignore::FutureWarning")  # PEFT calls a Transformers name that moved
@pytest.mark.parametrize(
    ("how", "method", "precision"),
    [
        ("full", Method("full"), Precision(weight=2, trained=2)),
        ("lora float32", Method("lora", r=8), Precision(weight=2, trained=4)),
        ("lora bfloat16", Method("lora", r=8), Precision(weight=2, trained=2)),
        ("full", Method("full"), Precision(weight=4, trained=4)),
        ("lora float32", Method("lora", r=8), Precision(weight=4, trained=4)),
    ],
)
def test_a_layer_keeps_the_bytes_that_the_plan_says(
    how: str, method: Method, precision: Precision
) -> None:
    dtype = torch.bfloat16 if precision.weight == 2 else torch.float32
    measured = kept_bytes(2, how, dtype) - kept_bytes(1, how, dtype)

    def planned(layers: int) -> int:
        spec = from_config(config(layers).to_dict())
        return activation_bytes(spec, method, length=LENGTH, precision=precision)

    assert measured == ROWS * LENGTH * (planned(2) - planned(1))
