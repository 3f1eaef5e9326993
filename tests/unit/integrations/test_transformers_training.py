from pathlib import Path

import pytest
import torch

from tunesmith.core.errors import ModelError
from tunesmith.integrations.transformers import load_model
from tunesmith.integrations.transformers_training import LabelLogits, use_fused_norms
from tunesmith.tokens.batch import collate
from tunesmith.tokens.chat import Encoded

ROWS = [
    Encoded((3, 4, 5, 6, 7), (False, False, True, True, True)),
    Encoded((9, 8, 7), (False, False, True)),
]


def test_logits_stand_only_where_a_label_is_and_are_the_models_own(tiny_folder: Path) -> None:
    with torch.no_grad():
        plain = load_model(tiny_folder)
        expected = torch.cat([plain(torch.tensor([row.ids])).logits[0] for row in ROWS])
        logits = LabelLogits(load_model(tiny_folder))(collate(ROWS, [0, 1]))
    assert logits.shape[0] == 4
    torch.testing.assert_close(logits, expected[[1, 2, 3, 6]], rtol=0, atol=1e-5)


def test_the_model_still_answers_plain_calls_with_every_logit(tiny_folder: Path) -> None:
    model = load_model(tiny_folder)
    logits = LabelLogits(model)
    with torch.no_grad():
        logits(collate(ROWS, [0, 1]))
        assert model(torch.tensor([[3, 4, 5]])).logits.shape[:2] == (1, 3)


def test_norms_are_fused_where_the_formula_is_the_same(tiny_folder: Path) -> None:
    assert use_fused_norms(load_model(tiny_folder)) == 5
    assert use_fused_norms(load_model(tiny_folder, dtype=torch.bfloat16)) == 5


def test_norms_with_another_formula_are_left_alone() -> None:
    class OneMore(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.variance_epsilon = torch.nn.Parameter(torch.zeros(8)), 1e-6

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.rms_norm(x, (8,), 1 + self.weight, self.variance_epsilon)

    assert use_fused_norms(OneMore()) == 0


def test_a_family_that_caps_attention_scores_is_refused() -> None:
    from transformers import Gemma2Config, Gemma2ForCausalLM

    config = Gemma2Config(
        vocab_size=32, hidden_size=16, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, head_dim=8, pad_token_id=0,
    )  # fmt: skip
    with pytest.raises(ModelError) as raised:
        LabelLogits(Gemma2ForCausalLM(config))
    assert raised.value.code == "model-family"
