"""Log-probabilities of answers. Letters: B rows, N labels, V vocabulary."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def answer_logps(logits_NV: Tensor, targets_N: Tensor, row_N: Tensor, *, rows: int) -> Tensor:
    """Log p(answer | prompt) of each row in nats, summed over its labels, shape (B,), float32.

    ``row_N`` says which of the ``rows`` rows each label belongs to; a row without labels gives 0.
    """
    wide = torch.promote_types(logits_NV.dtype, torch.float32)
    logps_N = -functional.cross_entropy(logits_NV.to(wide), targets_N, reduction="none")
    return torch.zeros(rows, dtype=wide, device=logits_NV.device).index_add(0, row_N, logps_N)
