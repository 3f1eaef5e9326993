"""A Transformers model whose matrices have 8 bits: written as safetensors and JSON, and read again.

The folder holds the model's own ``config.json`` and tokenizer, ``model.safetensors`` with int8
weights named ``*.weight`` and their float32 ``*.weight.scale``, and ``int8.json``, the format.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from tunesmith.core.errors import ModelError
from tunesmith.core.extras import require
from tunesmith.integrations.transformers import check_safe
from tunesmith.models.quantize import Int8Embedding, Int8Linear, quantize_rows

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FORMAT: Final = {"format": 1, "weights": "int8, one float32 scale for each row"}

_COPIED: Final = (
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "chat_template.jinja",
)  # fmt: skip


def write_int8(model: Path, out: Path) -> None:
    """Write the Transformers folder ``model`` with matrices of 8 bits into the folder ``out``."""
    check_safe(model)
    kept: dict[str, Tensor] = {}
    for file in sorted(model.glob("*.safetensors")):
        with safe_open(file, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118  # not a dict
                weight = weights.get_tensor(name)
                if weight.ndim == 2 and name.endswith(".weight"):
                    kept[name], kept[f"{name}.scale"] = quantize_rows(weight)
                else:
                    kept[name] = weight
    out.mkdir(parents=True, exist_ok=True)
    save_file(kept, out / "model.safetensors", metadata={"format": "pt"})
    for name in _COPIED:
        if (model / name).exists():
            shutil.copyfile(model / name, out / name)
    (out / "int8.json").write_text(json.dumps(FORMAT, indent=2) + "\n", encoding="utf-8")


def load_int8(folder: Path, *, dtype: torch.dtype = torch.bfloat16) -> PreTrainedModel:
    """The model of a folder that `write_int8` wrote; activations have ``dtype``, on the CPU.

    Raises:
        ModelError: when the folder is no such folder, or a newer tunesmith wrote it.

    """
    check_safe(folder)
    _check_format(folder)
    library = require("transformers", extra="train", needed_for="loading a language model")
    config = library.AutoConfig.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False
    )
    with torch.device("meta"):
        model: PreTrainedModel = library.AutoModelForCausalLM.from_config(
            config, dtype=dtype, attn_implementation="sdpa", trust_remote_code=False
        )
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    tied = bool(config.get_text_config().tie_word_embeddings)
    _fill(model, weights, dtype, tied=tied)
    model.eval()
    return model


def _check_format(folder: Path) -> None:
    path = folder / "int8.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if found.get("format") != FORMAT["format"]:
        raise ModelError(
            f"{folder} is not an int8 model in format {FORMAT['format']}",
            why=f"int8.json says {found.get('format', 'nothing')}",
            fix="make the folder again with `tunesmith compress`, or update tunesmith",
            code="int8-format",
        )


def _fill(model: nn.Module, weights: dict[str, Tensor], dtype: torch.dtype, *, tied: bool) -> None:
    """Replace every layer whose weight has 8 bits, then fill in the others and the buffers."""
    if tied and "lm_head.weight" not in weights:
        weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
        weights["lm_head.weight.scale"] = weights["model.embed_tokens.weight.scale"]
    for path, module in list(model.named_modules()):
        scale = weights.get(f"{path}.weight.scale")
        if scale is not None:
            layer = _layer(module, weights[f"{path}.weight"], scale, weights.get(f"{path}.bias"))
            parent, _, name = path.rpartition(".")
            setattr(model.get_submodule(parent), name, layer)
    for name, parameter in list(model.named_parameters()):
        path, _, leaf = name.rpartition(".")
        assert parameter.is_meta, f"{name} was filled twice"
        filled = nn.Parameter(weights[name].to(dtype), requires_grad=False)
        setattr(model.get_submodule(path), leaf, filled)
    _rebuild_buffers(model)


def _layer(module: nn.Module, weight: Tensor, scale: Tensor, bias: Tensor | None) -> nn.Module:
    if isinstance(module, nn.Embedding):
        return Int8Embedding(weight, scale, module.weight.dtype)
    return Int8Linear(weight, scale, bias)


def _rebuild_buffers(model: Any) -> None:
    """Rotary frequencies are computed, not stored, so a model made on no device lacks them."""
    for path, module in list(model.named_modules()):
        if any(buffer.is_meta for buffer in module.buffers(recurse=False)):
            parent, _, name = path.rpartition(".")
            fresh = type(module)(config=module.config)
            setattr(model.get_submodule(parent), name, fresh)
