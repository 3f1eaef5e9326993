import pytest
import torch

from tunesmith.models.lora import lora_linear


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("needs_input_gradient", [True, False])
def test_value_and_gradients_are_those_of_the_formula(
    has_bias: bool, needs_input_gradient: bool
) -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 5, 7, dtype=torch.float64, requires_grad=needs_input_gradient)
    weight = torch.randn(4, 7, dtype=torch.float64)
    bias = torch.randn(4, dtype=torch.float64) if has_bias else None
    a = torch.randn(3, 7, dtype=torch.float64, requires_grad=True)
    b = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    y = lora_linear(x, weight, bias, a, b, 1.7)
    expected = x @ weight.T + 1.7 * (x @ a.T) @ b.T + (bias if bias is not None else 0)
    torch.testing.assert_close(y, expected)
    wanted = [a, b, x] if needs_input_gradient else [a, b]
    outer = torch.randn_like(y)
    torch.testing.assert_close(
        torch.autograd.grad(y, wanted, outer), torch.autograd.grad(expected, wanted, outer)
    )


def test_float32_pairs_get_float32_gradients_beside_bf16_weights() -> None:
    x = torch.randn(6, 8, dtype=torch.bfloat16)
    a, b = torch.randn(2, 8, requires_grad=True), torch.randn(5, 2, requires_grad=True)
    y = lora_linear(x, torch.randn(5, 8, dtype=torch.bfloat16), None, a, b, 1.0)
    y.sum().backward()
    assert y.dtype == torch.bfloat16
    assert (a.grad.dtype, b.grad.dtype) == (torch.float32, torch.float32)
