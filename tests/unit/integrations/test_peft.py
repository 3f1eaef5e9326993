from pathlib import Path

import pytest
import torch

from tunesmith.core.errors import ModelError
from tunesmith.integrations.peft import (
    add_lora,
    load_adapter,
    save_adapter,
    speed_up,
    trained_weights,
)
from tunesmith.integrations.transformers import load_model
from tunesmith.models.adapter import LoraSettings

IDS = torch.arange(3, 40)[None]


def _with_lora(folder: Path, **settings: object):
    model = add_lora(load_model(folder), LoraSettings(r=4, **settings), seed=1)
    torch.manual_seed(2)
    for name, weight in trained_weights(model).items():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    return model


def test_a_fresh_pair_changes_no_answer_and_only_pairs_are_trained(tiny_folder: Path) -> None:
    base = load_model(tiny_folder)
    with torch.no_grad():
        before = base(IDS).logits
        model = add_lora(base, LoraSettings(r=4), seed=1)
        torch.testing.assert_close(model(IDS).logits, before, rtol=0, atol=0)
    names = list(trained_weights(model))
    assert len(names) == 2 * 7 * 2
    assert all(".lora_A." in name or ".lora_B." in name for name in names)


def test_equal_seeds_give_equal_pairs_and_leave_the_global_stream_alone(tiny_folder: Path) -> None:
    torch.manual_seed(0)
    first = torch.rand(1)
    torch.manual_seed(0)
    one, two = (add_lora(load_model(tiny_folder), LoraSettings(r=4), seed=5) for _ in range(2))
    assert torch.equal(torch.rand(1), first)
    for a, b in zip(trained_weights(one).values(), trained_weights(two).values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    "settings", [{}, {"use_rslora": True}, {"target_modules": ("q_proj", "v_proj")}]
)
def test_the_fast_forward_pass_gives_pefts_values_and_gradients(
    tiny_folder: Path, settings: dict[str, object]
) -> None:
    model = _with_lora(tiny_folder, **settings)
    weights = list(trained_weights(model).values())

    def both() -> tuple[torch.Tensor, ...]:
        logits = model(IDS).logits
        return (logits, *torch.autograd.grad(logits.square().sum(), weights))

    slow = both()
    assert speed_up(model) == len(weights) // 2
    torch.testing.assert_close(both(), slow, rtol=1e-4, atol=1e-4)
    with torch.no_grad(), model.disable_adapter():
        torch.testing.assert_close(model(IDS).logits, load_model(tiny_folder)(IDS).logits)


def test_layers_with_dropout_keep_pefts_own_way(tiny_folder: Path) -> None:
    assert speed_up(_with_lora(tiny_folder, lora_dropout=0.5)) == 0


def test_an_adapter_comes_back_as_it_was_saved(tiny_folder: Path, tmp_path: Path) -> None:
    model = _with_lora(tiny_folder).eval()
    save_adapter(model, tmp_path, base="sha256:0")
    loaded = load_adapter(load_model(tiny_folder), tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(loaded(IDS).logits, model(IDS).logits, rtol=0, atol=0)
    assert trained_weights(loaded) == {}


def test_a_target_that_is_no_layer_is_refused(tiny_folder: Path) -> None:
    with pytest.raises(ModelError) as raised:
        add_lora(load_model(tiny_folder), LoraSettings(target_modules=("query",)), seed=0)
    assert raised.value.code == "target-modules"


def test_an_adapter_of_another_model_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    save_adapter(_with_lora(tiny_folder), tmp_path, base="sha256:0")
    from transformers import LlamaConfig, LlamaForCausalLM

    other = LlamaForCausalLM(
        LlamaConfig(vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                    num_attention_heads=2, num_key_value_heads=2)
    )  # fmt: skip
    with pytest.raises(ModelError) as raised:
        load_adapter(other, tmp_path)
    assert raised.value.code == "adapter-mismatch"
