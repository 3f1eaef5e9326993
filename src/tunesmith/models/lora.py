"""A linear layer with a LoRA pair as one function, with as few passes over memory as there can be.

Letters: T tokens, I inputs, O outputs, R rank.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def lora_linear(
    x: Tensor, weight_OI: Tensor, bias_O: Tensor | None, a_RI: Tensor, b_OR: Tensor, scaling: float
) -> Tensor:
    """X W^T + bias + scaling (x A^T) B^T, shape (..., O), in the dtype of x.

    W and bias get no gradient. A and B may be wider than x (float32 beside bf16): they are rounded
    for the products, and their gradients come back in their own dtype.

    Source: Hu et al. 2021 (arXiv:2106.09685), eq. 3.
    """
    y: Tensor = _LoraLinear.apply(x, weight_OI, bias_O, a_RI, b_OR, scaling)  # type: ignore[no-untyped-call]
    return y


class _LoraLinear(torch.autograd.Function):
    """The pair's product is added into the result in place, where autograd would make three copies."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight_OI: Tensor,
        bias_O: Tensor | None,
        a_RI: Tensor,
        b_OR: Tensor,
        scaling: float,
    ) -> Tensor:
        x_TI = x.reshape(-1, x.shape[-1])
        a, b = a_RI.to(x.dtype), b_OR.to(x.dtype)
        inner_TR = x_TI @ a.T
        y_TO = functional.linear(x_TI, weight_OI, bias_O)
        y_TO.addmm_(inner_TR, b.T, alpha=scaling)
        ctx.save_for_backward(x_TI, weight_OI, a, b, inner_TR)
        ctx.scaling, ctx.wide = scaling, (a_RI.dtype, b_OR.dtype)
        return y_TO.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        x_TI, weight_OI, a, b, inner_TR = ctx.saved_tensors
        dy_TO = outer[0].reshape(-1, weight_OI.shape[0])
        inner_back_TR = (dy_TO @ b).mul_(ctx.scaling)
        da_RI = (inner_back_TR.T @ x_TI).to(ctx.wide[0])
        db_OR = (dy_TO.T @ inner_TR).to(ctx.wide[1]).mul_(ctx.scaling)
        dx = None
        if ctx.needs_input_grad[0]:
            dx_TI = dy_TO @ weight_OI
            dx_TI.addmm_(inner_back_TR, a)
            dx = dx_TI.view(*outer[0].shape[:-1], -1)
        return dx, None, None, da_RI, db_OR, None
