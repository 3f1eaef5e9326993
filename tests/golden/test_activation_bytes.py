"""The memory plan's activations against what torch really keeps for the backward pass.

Reference: torch.autograd.graph.saved_tensors_hooks (torch 2.13) on the model as training opens it, each
storage counted once. Only whole layers are compared: two layers less one.
"""

from pathlib import Path
from typing import Literal

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tunesmith.budget.memory import Precision, activation_bytes
from tunesmith.budget.method import Method, trainable_parameters
from tunesmith.core.config import Resources
from tunesmith.loop.trainable import Opening, open_trainable
from tunesmith.models.adapter import LoraSettings
from tunesmith.models.spec import read_spec
from tunesmith.tokens.batch import collate
from tunesmith.tokens.chat import Encoded

ROWS, LENGTH = 2, 50
LORA, FULL = Method("lora", r=8), Method("full")


def model_folder(folder: Path, layers: int) -> Path:
    config = LlamaConfig(
        hidden_size=64, intermediate_size=192, num_hidden_layers=layers, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, vocab_size=512, tie_word_embeddings=True,
    )  # fmt: skip
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


def kept_bytes(folder: Path, method: Method, precision: Literal["fp32", "bf16"]) -> int:
    """Bytes of distinct storages that the forward pass saves, the model's weights excepted."""
    opening = Opening("lora" if method.name == "lora" else "full", LoraSettings(r=8), precision, 1)
    opened = open_trainable(folder, None, opening, resources=Resources(device="cpu", threads=1))
    weights = {weight.untyped_storage().data_ptr() for weight in opened.model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in weights:
            kept.setdefault(place, tensor)
        return tensor

    row = Encoded(tuple(range(LENGTH)), (False,) * (LENGTH - 1) + (True,))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        opened.logits(collate([row] * ROWS, range(ROWS)))
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.filterwarnings("ignore::FutureWarning")  # PEFT calls a Transformers name that moved
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
@pytest.mark.parametrize("method", [LORA, FULL], ids=lambda m: m.name)
def test_a_layer_keeps_the_bytes_that_the_plan_says(
    method: Method, precision: Literal["fp32", "bf16"], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    one, two = (model_folder(tmp_path / str(layers), layers) for layers in (1, 2))
    width = 2 if precision == "bf16" else 4
    # float32 pairs are rounded for bf16 products, and the rounded ones are kept: a line of its own
    rounded = trainable_parameters(read_spec(one), method) * width if width == 2 else 0
    if method is FULL:
        rounded = 0
    measured = kept_bytes(two, method, precision) - kept_bytes(one, method, precision) - rounded

    def planned(folder: Path) -> int:
        widths = Precision(forward=width)
        return activation_bytes(read_spec(folder), method, length=LENGTH, precision=widths)

    assert measured == ROWS * LENGTH * (planned(two) - planned(one))
