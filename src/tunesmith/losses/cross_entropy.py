"""Cross-entropy of the labels, summed; the loop divides once, by all of them.

Letters: N labels, V vocabulary.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor

_AT_ONCE: Final = 32
"""Labels turned to float32 together: 32 x 49,152 x 4 bytes stay in the processor's cache."""


def cross_entropy(logits_NV: Tensor, targets_N: Tensor) -> tuple[Tensor, int]:
    """-sum log softmax(logits)[target] in nats, and N. No label gives (0, 0).

    Equal to ``torch.nn.functional.cross_entropy(..., reduction="sum")`` in float32 (float64 for
    float64 logits), but only a few labels at a time are wider than the logits themselves.
    """
    total: Tensor = _Summed.apply(logits_NV, targets_N)  # type: ignore[no-untyped-call]
    return total, len(targets_N)


class _Summed(torch.autograd.Function):
    """The gradient, softmax - one-hot, is made in the forward pass, while its row is in the cache."""

    @staticmethod
    def forward(ctx: Any, logits_NV: Tensor, targets_N: Tensor) -> Tensor:
        wide = torch.promote_types(logits_NV.dtype, torch.float32)
        total = torch.zeros((), dtype=wide, device=logits_NV.device)
        gradient_NV = torch.empty_like(logits_NV) if ctx.needs_input_grad[0] else None
        for start in range(0, len(targets_N), _AT_ONCE):
            part_nV = logits_NV[start : start + _AT_ONCE].to(wide)
            target_n1 = targets_N[start : start + _AT_ONCE, None]
            log_sum_n1 = torch.logsumexp(part_nV, dim=-1, keepdim=True)
            total += (log_sum_n1 - part_nV.gather(1, target_n1)).sum()
            if gradient_NV is not None:
                # not in place: float32 logits are not copied above, and belong to the caller
                softmax_nV = (part_nV - log_sum_n1).exp_()
                ones_n1 = torch.ones_like(log_sum_n1)
                softmax_nV.scatter_add_(1, target_n1, -ones_n1)
                gradient_NV[start : start + _AT_ONCE] = softmax_nV
        if gradient_NV is not None:
            ctx.save_for_backward(gradient_NV)
        return total

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, None]:
        (gradient_NV,) = ctx.saved_tensors
        # the summed loss is what the loop calls backward on, so the outer gradient is nearly always 1
        if outer[0].item() == 1.0:
            return gradient_NV, None
        return gradient_NV * outer[0].to(gradient_NV.dtype), None
