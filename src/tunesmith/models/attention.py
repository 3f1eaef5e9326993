"""Causal attention over rows that stand side by side without padding.

Letters: H heads, G key-value heads, R = H / G queries of one key-value head, T tokens of all
rows, L tokens of one row, D width of a head.

On a CPU each row's attention is written out: torch's fused kernel spends three to four times as
long in its backward pass on rows of 128 to 512 tokens (SmolLM2's heads, bf16, 2 threads: 20 ms
against 5 to 8 ms for 1024 tokens of one layer). Long rows and other devices use the fused kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

LONGEST_WRITTEN_OUT: Final = 1024
"""Tokens of a row above which L x L probabilities cost more memory than the fused kernel's time."""


def packed_attention(
    module: object,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    row_lengths: Sequence[int] | None = None,
    scaling: float | None = None,
    **more: Any,
) -> tuple[Tensor, None]:
    """Attention as Transformers calls it: query (1, H, T, D), key and value (1, G, T, D).

    The result has shape (1, T, H, D). ``row_lengths`` are the tokens of each row; None means that
    all are of one row. A sliding window is obeyed; soft caps and dropout of probabilities are not
    and are refused.
    """
    refused = [name for name in ("softcap", "dropout") if more.get(name)]
    assert refused == [], f"packed attention has no {refused}"
    assert query.shape[0] == 1, "packed rows stand in one row of tokens"
    lengths = list(row_lengths or [query.shape[2]])
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    window = more.get("sliding_window") or 0
    parts = [
        _one_row(q, k, v, scale, window)
        for q, k, v in zip(
            torch.split(query, lengths, dim=2),
            torch.split(key, lengths, dim=2),
            torch.split(value, lengths, dim=2),
            strict=True,
        )
    ]
    return torch.cat(parts, dim=2).transpose(1, 2), None


def _one_row(q: Tensor, k: Tensor, v: Tensor, scale: float, window: int) -> Tensor:
    length = q.shape[2]
    banded = 0 < window < length
    if q.device.type == "cpu" and length <= LONGEST_WRITTEN_OUT and not banded:
        written_out: Tensor = _WrittenOut.apply(q, k, v, scale)  # type: ignore[no-untyped-call]
        return written_out
    mask = None
    if banded:
        ones = torch.ones(length, length, dtype=torch.bool, device=q.device)
        mask = ones.tril() & ones.triu(1 - window)
    return functional.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=mask is None, scale=scale, enable_gqa=True
    )


class _WrittenOut(torch.autograd.Function):
    """softmax(scale Q K^T + causal mask) V of one row, its probabilities kept for the way back.

    The R queries of a key-value head are stacked, so keys and values are never repeated.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        _, heads, length, width = q.shape
        groups = k.shape[1]
        q_GSD = q.reshape(groups, -1, width)
        k_GLD, v_GLD = k.reshape(groups, length, width), v.reshape(groups, length, width)
        mask_LL = q.new_full((length, length), float("-inf")).triu_(1)
        mask_SL = mask_LL.repeat(heads // groups, 1)
        scores_GSL = torch.baddbmm(mask_SL, q_GSD, k_GLD.transpose(1, 2), alpha=scale)
        p_GSL = torch.softmax(scores_GSL, dim=-1)
        ctx.save_for_backward(q_GSD, k_GLD, v_GLD, p_GSL)
        ctx.scale = scale
        return torch.bmm(p_GSL, v_GLD).view(1, heads, length, width)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        q_GSD, k_GLD, v_GLD, p_GSL = ctx.saved_tensors
        heads = outer[0].shape[1]
        out_GSD = outer[0].reshape(q_GSD.shape)
        dv_GLD = torch.bmm(p_GSL.transpose(1, 2), out_GSD)
        dp_GSL = torch.bmm(out_GSD, v_GLD.transpose(1, 2))
        ds_GSL = torch._softmax_backward_data(dp_GSL, p_GSL, -1, p_GSL.dtype)
        dq_GSD = torch.bmm(ds_GSL, k_GLD).mul_(ctx.scale)
        dk_GLD = torch.bmm(ds_GSL.transpose(1, 2), q_GSD).mul_(ctx.scale)
        length, width = k_GLD.shape[1:]
        return dq_GSD.view(1, heads, length, width), dk_GLD[None], dv_GLD[None], None
