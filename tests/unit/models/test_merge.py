import pytest
import torch
from torch import nn

from tunesmith.core.errors import ModelError
from tunesmith.models.merge import lora_scaling, merge_lora, merged_weight

CONFIG = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "bias": "none"}


def _state(outputs: int = 3) -> dict[str, torch.Tensor]:
    return {
        "base_model.model.layer.lora_A.weight": torch.randn(2, 5),
        "base_model.model.layer.lora_B.weight": torch.randn(outputs, 2),
    }


def _model() -> nn.Module:
    return nn.ModuleDict({"layer": nn.Linear(5, 3, bias=False)})


def test_a_small_change_to_a_bf16_weight_is_rounded_once() -> None:
    weight = torch.full((1, 1), 1.0, dtype=torch.bfloat16)
    a, b = torch.full((1, 1), 0.001), torch.full((1, 1), 3.0)
    # 1 + 4 x 0.003 = 1.012; the nearest bf16 is 1 + 3/256 x ... = 1.0156 or 1.0078
    merged = merged_weight(weight, a, b, scaling=4.0)
    assert merged.item() == torch.tensor(1.012).to(torch.bfloat16).item()


def test_the_merged_layer_is_the_weight_plus_the_scaled_product() -> None:
    model, state = _model(), _state()
    before = model["layer"].weight.detach().clone()
    assert merge_lora(model, state, CONFIG) == 1
    a, b = state.values()
    torch.testing.assert_close(model["layer"].weight, before + 2.0 * b @ a)


@pytest.mark.parametrize(
    ("change", "code"),
    [({"use_dora": True}, "adapter-kind"), ({"peft_type": "LOHA"}, "adapter-kind"),
     ({"bias": "all"}, "adapter-kind"), ({"modules_to_save": ["lm_head"]}, "adapter-kind")],
)  # fmt: skip
def test_an_adapter_that_is_not_plain_lora_is_refused(change: dict[str, object], code: str) -> None:
    with pytest.raises(ModelError) as raised:
        merge_lora(_model(), _state(), {**CONFIG, **change})
    assert raised.value.code == code


def test_an_adapter_of_another_shape_is_refused() -> None:
    with pytest.raises(ModelError, match="does not fit"):
        merge_lora(_model(), _state(outputs=4), CONFIG)


def test_scaling_follows_patterns_and_the_square_root() -> None:
    assert lora_scaling(CONFIG, "layer") == 2.0
    assert lora_scaling({**CONFIG, "r": 4, "use_rslora": True}, "layer") == 2.0
    assert lora_scaling({**CONFIG, "alpha_pattern": {"q_proj": 8}}, "model.q_proj") == 4.0
