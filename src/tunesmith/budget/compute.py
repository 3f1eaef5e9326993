"""Arithmetic of training and the seconds that it takes: counts of multiply-adds, two FLOPs each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tunesmith.budget.method import Method, trainable_parameters
from tunesmith.models.spec import ModelSpec

MATMUL_SHARE: Final = 0.75
"""Share of the machine's bare matrix rate that a whole training step reaches.

Measured on SmolLM2-135M with LoRA r 16 (75 clinical rows, AVX512-BF16): 0.72 with two busy cores, 0.89 with one.
Norms, rotations, softmax and the optimizer take the rest.
"""


@dataclass(frozen=True, slots=True)
class Work:
    """What training must go through: totals over all epochs, padding not counted."""

    tokens: int
    labels: int
    """Tokens that are trained on; logits are computed only there."""
    mean_length: float
    """Tokens that a token attends over, averaged over tokens: longer rows weigh more."""


def flops_per_token(spec: ModelSpec, method: Method, *, mean_length: float) -> float:
    """FLOPs that one token costs in forward and backward pass, logits not counted.

    With N weights in the linear maps: forward 2N, backward 2N for the inputs' gradients and another 2N
    for the weights' own when they are trained (Kaplan et al. 2020, arXiv:2001.08361, section 2.1). LoRA and
    prefix tuning leave the last out for the frozen weights. Attention adds 4 x heads x head size x length
    forward and twice that backward, whatever is trained.
    """
    linear = spec.linear_parameters
    queries = spec.heads * spec.head_dim
    attended = mean_length + method.prefix_tokens
    attention = 3 * 4 * spec.layers * queries * attended
    if method.name == "full":
        return 6 * linear + attention
    added = 6 * trainable_parameters(spec, method) if method.name == "lora" else 0
    return 4 * linear + added + attention


def flops_per_label(spec: ModelSpec, method: Method) -> float:
    """FLOPs of one row of logits, forward and backward: the output matrix is frozen but in full tuning."""
    return (6 if method.name == "full" else 4) * spec.width * spec.vocabulary


def training_flops(spec: ModelSpec, method: Method, work: Work) -> float:
    """FLOPs of the whole training."""
    per_token = flops_per_token(spec, method, mean_length=work.mean_length)
    return work.tokens * per_token + work.labels * flops_per_label(spec, method)


def training_seconds(flops: float, *, matmul_rate: float, share: float = MATMUL_SHARE) -> float:
    """Seconds for ``flops`` at ``share`` of ``matmul_rate`` FLOPs a second."""
    return flops / (matmul_rate * share)


def work_of(lengths: Sequence[int], labels: Sequence[int], *, epochs: float) -> Work:
    """The work in rows of these token counts, repeated ``epochs`` times; no rows give no work."""
    tokens = sum(lengths)
    mean = sum(length * length for length in lengths) / tokens if tokens else 0.0
    return Work(round(tokens * epochs), round(sum(labels) * epochs), mean)
