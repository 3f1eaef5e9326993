"""Transformers models as the training loop uses them: packed rows in, logits of the labels out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from tunesmith.core.errors import ModelError
from tunesmith.core.extras import require
from tunesmith.models.attention import packed_attention
from tunesmith.tokens.batch import Batch

_NAME: Final = "tunesmith_packed"
"""What our attention is called in Transformers' table of attention functions."""


class LabelLogits:
    """Batch -> logits (N, V), one row for each label: the output head sees no other token.

    The head is Transformers' own, with what a family does after it (scaling, soft caps), because
    the choice is made by a hook in front of it. Rows of a batch never see each other.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        _use_packed_attention(model)
        use_fused_norms(model)
        for module in model.modules():
            if getattr(module, "attention_dropout", 0.0):
                module.attention_dropout = 0.0  # of probabilities; no recipe of today uses it
        self._at_N: Tensor | None = None
        model.get_output_embeddings().register_forward_pre_hook(self._choose)

    def __call__(self, batch: Batch) -> Tensor:
        """Logits in the model's dtype, in the order of ``batch.targets_N``."""
        self._at_N = batch.at_N
        try:
            out = self._model(
                input_ids=batch.ids_T[None],
                position_ids=batch.positions_T[None],
                row_lengths=batch.lengths,
                use_cache=False,
            )
        finally:
            self._at_N = None
        logits_NV: Tensor = out.logits[0]
        return logits_NV

    def _choose(self, _: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if self._at_N is None:
            return None
        return (arguments[0][:, self._at_N], *arguments[1:])


def use_fused_norms(model: nn.Module) -> int:
    """Let RMS norms run as one torch function; how many were changed.

    Each norm is tried on a random row first and changed only if the fused one gives the same
    numbers, so a family with another formula (Gemma's 1 + weight) keeps its own.
    """
    changed = 0
    for module in model.modules():
        weight = getattr(module, "weight", None)
        epsilon = getattr(module, "variance_epsilon", None)
        if not isinstance(weight, nn.Parameter) or weight.ndim != 1 or epsilon is None:
            continue
        fused = _fused_norm(weight, epsilon)
        row = torch.linspace(-2, 2, weight.numel(), dtype=weight.dtype, device=weight.device)
        close = 1e-5 if weight.dtype == torch.float32 else 2e-2
        with torch.no_grad():
            if torch.allclose(fused(row), module(row), rtol=close, atol=close):
                module.forward = fused
                changed += 1
    return changed


def _fused_norm(weight: nn.Parameter, epsilon: float) -> Callable[[Tensor], Tensor]:
    def forward(hidden_states: Tensor) -> Tensor:
        return functional.rms_norm(hidden_states, weight.shape, weight, epsilon)

    return forward


def _use_packed_attention(model: Any) -> None:
    transformers = require("transformers", extra="train", needed_for="training a language model")
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    config = inner.config
    if not inner._supports_attention_backend or getattr(config, "attn_logit_softcapping", None):
        raise ModelError(
            f"{type(inner).__name__} cannot be trained on rows that stand side by side",
            why="its attention is not exchangeable in Transformers, or it caps attention scores",
            fix="choose a model of the Llama, Mistral, Qwen, Granite, SmolLM or Phi-3 families",
            code="model-family",
        )
    transformers.AttentionInterface.register(_NAME, packed_attention)
    inner.set_attn_implementation(_NAME)
