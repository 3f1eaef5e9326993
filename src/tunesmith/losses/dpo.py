"""Direct preference optimisation. Letters: B pairs."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import logsigmoid


def dpo(
    policy_chosen_B: Tensor,
    policy_rejected_B: Tensor,
    reference_chosen_B: Tensor,
    reference_rejected_B: Tensor,
    *,
    beta: float,
) -> Tensor:
    """Loss of each pair, shape (B,), in nats.

    Each argument holds log p(answer | prompt) summed over the answer's tokens, shape (B,), in
    nats. At the start the policy is the reference and the loss is ln 2 = 0.6931 whatever ``beta``.

    Source: Rafailov et al. 2023 (arXiv:2305.18290), eq. 7.
    """
    chosen_B = policy_chosen_B - reference_chosen_B
    rejected_B = policy_rejected_B - reference_rejected_B
    return -logsigmoid(beta * (chosen_B - rejected_B))
