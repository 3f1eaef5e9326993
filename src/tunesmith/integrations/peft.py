"""PEFT: adapters in its layout, with a forward pass of our own while they train."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from tunesmith.core.errors import ModelError
from tunesmith.core.extras import require
from tunesmith.models.adapter import LoraSettings
from tunesmith.models.lora import lora_linear

if TYPE_CHECKING:
    from peft import PeftModel

_ADAPTER = "default"


def add_lora(model: nn.Module, settings: LoraSettings, *, seed: int) -> PeftModel:
    """The model with a fresh LoRA pair beside each target layer; only the pairs are trained.

    A is drawn as PEFT draws it and B is 0, so the model's answers are unchanged. The pairs are
    float32 beside weights of any width.
    """
    peft = _peft()
    modules = settings.target_modules
    config = peft.LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.r,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=modules if isinstance(modules, str) else list(modules),
        use_rslora=settings.use_rslora,
    )
    try:
        with torch.random.fork_rng(devices=[]), _quiet():
            torch.manual_seed(seed)
            return peft.get_peft_model(model, config)
    except ValueError as error:
        raise ModelError(
            f"LoRA cannot be added to {settings.target_modules!r}: {error}",
            why="lora.target_modules must name linear layers of the model",
            fix="set lora.target_modules to 'all-linear'",
            code="target-modules",
        ) from error


def load_adapter(model: nn.Module, folder: Path, *, is_trainable: bool = False) -> PeftModel:
    """The model with the adapter of ``folder`` as PEFT modules, in float32, not merged.

    The folder must have been checked with `tunesmith.integrations.transformers.check_safe`.
    """
    try:
        with _quiet():
            return _peft().PeftModel.from_pretrained(
                model, str(folder), is_trainable=is_trainable, local_files_only=True
            )
    except (RuntimeError, ValueError, KeyError) as error:
        raise ModelError(
            f"the adapter in {folder} does not fit the model: {error}",
            why="an adapter is a change to the weights of the one model it was trained on",
            fix="give the model that adapter_config.json or tuned.json names",
            code="adapter-mismatch",
        ) from error


def save_adapter(model: PeftModel, folder: Path, *, base: str) -> None:
    """Write PEFT's two files; equal weights give equal bytes.

    ``base`` names the base model in the file: its digest, since a path is true on one machine only.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # False: never look for the base model on a hub, only to see whether its vocabulary grew
    state = _peft().get_peft_model_state_dict(model, save_embedding_layers=False)
    tensors = {name: value.detach().to("cpu").contiguous() for name, value in state.items()}
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = model.peft_config[_ADAPTER].to_dict()
    config.update(base_model_name_or_path=base, inference_mode=True, revision=None)
    text = json.dumps(_plain(config), indent=2, sort_keys=True)
    (folder / "adapter_config.json").write_text(text + "\n", encoding="utf-8")


def trained_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """Weights that get a gradient, by name, in the order of the model."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def speed_up(model: PeftModel) -> int:
    """Give each plain LoRA layer the forward pass of `tunesmith.models.lora`; how many got it.

    The result is the same within rounding; layers with dropout, DoRA, or several adapters keep
    PEFT's own. Files are not affected.
    """
    layer_type = _peft().tuners.lora.Linear
    changed = 0
    for module in model.modules():
        if isinstance(module, layer_type) and _is_plain(module):
            module.forward = _Forward(module)
            changed += 1
    return changed


class _Forward:
    """Calls the fused function with one layer's own weights; PEFT's way when adapters are off."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self._slow = layer.forward

    def __call__(self, x: Tensor, *more: Any, **named: Any) -> Tensor:
        layer = self._layer
        if layer.disable_adapters or layer.merged or more or named:
            result: Tensor = self._slow(x, *more, **named)
            return result
        base = layer.base_layer
        return lora_linear(
            x,
            base.weight,
            base.bias,
            layer.lora_A[_ADAPTER].weight,
            layer.lora_B[_ADAPTER].weight,
            layer.scaling[_ADAPTER],
        )


def _is_plain(layer: Any) -> bool:
    return (
        list(layer.lora_A) == [_ADAPTER]
        and layer.active_adapters == [_ADAPTER]
        and not layer.lora_variant
        and isinstance(layer.lora_dropout[_ADAPTER], nn.Identity)
        and layer.lora_A[_ADAPTER].bias is None
        and layer.lora_B[_ADAPTER].bias is None
        and type(layer.base_layer) is nn.Linear
    )


def _plain(value: object) -> object:
    """JSON values in one order: PEFT keeps module names in sets and enums in fields."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(str(item) for item in value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(getattr(value, "value", value))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without PEFT's use of a Transformers name that is about to go: nobody here can mend it."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message=".*gradient_checkpointing", category=FutureWarning
        )
        yield


def _peft() -> ModuleType:
    return require("peft", extra="train", needed_for="LoRA adapters")
