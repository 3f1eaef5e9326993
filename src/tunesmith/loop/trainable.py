"""A model opened for training: which weights move, in which number format, and what is written."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import torch
from torch import nn

from tunesmith.core.config import Resources
from tunesmith.core.errors import ModelError
from tunesmith.integrations import peft, transformers
from tunesmith.integrations.transformers_training import LabelLogits
from tunesmith.models.adapter import LoraSettings
from tunesmith.tokens.tokenizer import read_template, template_digest

TUNED_FORMAT: Final = 1
"""Version of ``tuned.json``."""

MethodName = Literal["lora", "full"]


@dataclass(frozen=True, slots=True)
class Trainable:
    """A model whose trained weights are named; everything else is frozen."""

    model: Any
    """A PeftModel for LoRA, a Transformers model for full tuning."""
    method: MethodName
    logits: LabelLogits
    weights: dict[str, nn.Parameter]
    parameters: int
    vocabulary: int
    device: str
    dtype: torch.dtype

    @property
    def has_dropout(self) -> bool:
        """Whether a forward pass in training draws random numbers."""
        return any(isinstance(m, nn.Dropout) and m.p > 0 for m in self.model.modules())

    @property
    def trainable_parameters(self) -> int:
        """Numbers that training changes."""
        return sum(weight.numel() for weight in self.weights.values())


@dataclass(frozen=True, slots=True)
class Opening:
    """How a model is to be opened."""

    method: MethodName
    lora: LoraSettings
    precision: Literal["auto", "fp32", "bf16"]
    seed: int
    """Of the LoRA weights' first values."""


def open_trainable(
    model: Path, start: Path | None, opening: Opening, *, resources: Resources
) -> Trainable:
    """The base model, or where an earlier tuning left it, ready to train.

    Raises:
        ModelError: when ``start`` is of another method, or does not fit.

    """
    if resources.threads:
        torch.set_num_threads(resources.threads)
    device = device_of(resources)
    dtype = dtype_of(opening.precision, device)
    if start is not None and start_method(start) != opening.method:
        raise ModelError(
            f"{start} is a {start_method(start)} tuning and cannot go on as {opening.method}",
            why="an adapter grows from an adapter, and a whole model from a whole model",
            fix="set train.method to 'auto'",
            code="start-method",
        )
    opened = _open(model, start, opening, device, dtype)
    logits = LabelLogits(opened)
    if opening.method == "lora":
        peft.speed_up(opened)
    opened.train()
    weights = peft.trained_weights(opened)
    frozen = sum(w.numel() for w in opened.parameters() if not w.requires_grad)
    trained = 0 if opening.method == "lora" else sum(w.numel() for w in weights.values())
    return Trainable(
        model=opened,
        method=opening.method,
        logits=logits,
        weights=weights,
        parameters=frozen + trained,
        vocabulary=int(opened.config.vocab_size),
        device=device,
        dtype=dtype,
    )


def start_method(start: Path) -> MethodName:
    """What an earlier tuning's folder holds."""
    return "lora" if (start / "adapter_config.json").exists() else "full"


def device_of(resources: Resources) -> str:
    """Where the model is put: ``cuda`` when it is there and not refused."""
    if resources.device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return resources.device


def dtype_of(precision: Literal["auto", "fp32", "bf16"], device: str) -> torch.dtype:
    """The number format of the matrix products; ``auto`` asks the processor for bf16."""
    if precision == "auto":
        if device == "cpu":
            able = torch.cpu.get_capabilities()
            has_bf16 = bool(able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16"))
        else:
            has_bf16 = torch.cuda.is_bf16_supported()
        precision = "bf16" if has_bf16 else "fp32"
    return torch.bfloat16 if precision == "bf16" else torch.float32


def write_tuned(
    opened: Trainable, model: Path, folder: Path, *, base: str, facts: Mapping[str, Any]
) -> None:
    """Write what training gave, and ``tuned.json``, durably; equal weights give equal bytes.

    ``base`` is the base model's digest; ``facts`` are more JSON values for tuned.json.
    """
    opened.model.eval()
    if opened.method == "lora":
        peft.save_adapter(opened.model, folder, base=f"sha256:{base}")
    else:
        transformers.save_model(opened.model, transformers.load_tokenizer(model), folder)
    body = {
        "format": TUNED_FORMAT,
        "method": opened.method,
        "base": base,
        "template": template_digest(read_template(model)),
        **facts,
    }
    path = folder / "tuned.json"
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(body, indent=2, sort_keys=True) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _open(
    model: Path, start: Path | None, opening: Opening, device: str, dtype: torch.dtype
) -> Any:
    if opening.method == "full":
        return transformers.load_tuned(model, start, dtype=dtype, device=device)
    if start is not None:
        transformers.check_start(model, start)
    base = transformers.load_model(model, dtype=dtype, device=device)
    if start is None:
        return peft.add_lora(base, opening.lora, seed=opening.seed)
    return peft.load_adapter(base, start, is_trainable=True)
