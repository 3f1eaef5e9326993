"""Merging a LoRA adapter into the weights, in float32, rounded once.

Letters: O outputs, I inputs, R rank.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tunesmith.core.errors import ModelError

_PREFIX = "base_model.model."


def merged_weight(weight_OI: Tensor, a_RI: Tensor, b_OR: Tensor, *, scaling: float) -> Tensor:
    """W + scaling x B A, shape (O, I), in the dtype of W.

    Computed in float32 and rounded once: in bfloat16 the product itself would already have lost
    what a small adapter adds. Source: Hu et al. 2021 (arXiv:2106.09685), section 4.1.
    """
    wide = torch.promote_types(weight_OI.dtype, torch.float32)
    delta_OI = b_OR.to(wide) @ a_RI.to(wide)
    return (weight_OI.to(wide) + scaling * delta_OI).to(weight_OI.dtype)


def merge_lora(model: nn.Module, state: Mapping[str, Tensor], config: Mapping[str, Any]) -> int:
    """Merge an adapter in PEFT's layout into ``model``, in place; the number of layers changed.

    ``state`` is ``adapter_model.safetensors``, ``config`` is ``adapter_config.json``.

    Raises:
        ModelError: when the adapter is of another model, or of a kind that is not plain LoRA.

    """
    _only_plain_lora(config)
    names = sorted(
        key.removeprefix(_PREFIX).removesuffix(".lora_A.weight")
        for key in state
        if key.endswith(".lora_A.weight")
    )
    if len(state) != 2 * len(names):
        raise _mismatch(f"it holds {len(state)} tensors, of which {len(names)} are a lora_A")
    modules = dict(model.named_modules())
    for name in names:
        a_RI = state[f"{_PREFIX}{name}.lora_A.weight"]
        b_OR = state.get(f"{_PREFIX}{name}.lora_B.weight")
        weight = getattr(modules.get(name), "weight", None)
        if b_OR is None or weight is None or weight.shape != (b_OR.shape[0], a_RI.shape[1]):
            raise _mismatch(f"`{name}` is not in the model, or has another shape")
        scaling = lora_scaling(config, name)
        with torch.no_grad():
            on = weight.device
            weight.copy_(merged_weight(weight, a_RI.to(on), b_OR.to(on), scaling=scaling))
    return len(names)


def lora_scaling(config: Mapping[str, Any], module: str) -> float:
    """What the product B A is multiplied by: alpha / r, or alpha / sqrt(r) for rank-stabilised.

    Source: PEFT's LoraConfig; Kalajdzievski 2023 (arXiv:2312.03732), eq. 3, for the square root.
    """
    r = _pattern(config.get("rank_pattern"), module, config["r"])
    alpha = _pattern(config.get("alpha_pattern"), module, config["lora_alpha"])
    return float(alpha / math.sqrt(r) if config.get("use_rslora") else alpha / r)


def _pattern(patterns: Mapping[str, float] | None, module: str, default: float) -> float:
    for key, value in (patterns or {}).items():
        if module == key or module.endswith(f".{key}"):
            return value
    return default


def _only_plain_lora(config: Mapping[str, Any]) -> None:
    odd = [key for key in ("use_dora", "fan_in_fan_out", "modules_to_save") if config.get(key)]
    if config.get("peft_type") != "LORA":
        odd.append(f"peft_type {config.get('peft_type')}")
    if config.get("bias", "none") != "none":
        odd.append(f"bias {config['bias']}")
    if odd:
        raise ModelError(
            f"this adapter cannot be merged: {', '.join(odd)}",
            why="only plain LoRA is W + B A, which can be added to the weights",
            fix="merge it with PEFT's merge_and_unload and give the merged model",
            code="adapter-kind",
        )


def _mismatch(reason: str) -> ModelError:
    return ModelError(
        f"the adapter does not fit the model: {reason}",
        why="an adapter is a change to the weights of the one model it was trained on",
        fix="give the model that adapter_config.json or tuned.json names",
        code="adapter-mismatch",
    )
