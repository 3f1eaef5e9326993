"""Write a Transformers folder as GGUF, with tokenizer and chat template, for llama.cpp.

Only what is known to be right is written: the llama family (Llama, SmolLM, Mistral) and Qwen2 with
plain rotary positions and a byte-level BPE tokenizer. Anything else is refused by name. Equal
folders give equal bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open

from tunesmith.core.errors import ModelError
from tunesmith.core.extras import require
from tunesmith.integrations.gguf_tokenizer import Vocabulary, read_vocabulary
from tunesmith.tokens.tokenizer import read_template

Form = Literal["q8_0", "f16"]

_ARCHITECTURES: Final = {
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "llama",
    "Qwen2ForCausalLM": "qwen2",
}


@dataclass(frozen=True, slots=True)
class _Tensor:
    """One tensor: its name here and there, its shape, and the GGUF type it is written as."""

    name: str
    file: Path
    target: str
    shape: tuple[int, ...]
    kind: Any
    """A ``gguf.GGMLQuantizationType``."""
    rotary_heads: int
    """Heads whose rows are reordered for llama.cpp's rotary positions; 0: none."""


def write_gguf(model: Path, out: Path, *, form: Form) -> None:
    """Write the model folder ``model`` to the file ``out``; matrices as ``form``, vectors as float32.

    A matrix whose rows are no multiple of 32 stays float16 in the Q8_0 form.

    Raises:
        ModelError: for an architecture or a tokenizer that cannot be written faithfully.

    """
    gguf = require("gguf", extra="gguf", needed_for="writing a GGUF file")
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    arch = _architecture(config)
    vocabulary = read_vocabulary(model, int(config["vocab_size"]))
    tensors = _plan(model, config, arch, gguf, form)
    writer = gguf.GGUFWriter(out, arch)
    _add_shape(writer, config, gguf, form)
    _add_tokenizer(writer, vocabulary, read_template(model))
    for one in tensors:
        block, size = gguf.GGML_QUANT_SIZES[one.kind]
        count = math.prod(one.shape)
        writer.add_tensor_info(
            one.target, one.shape, np.dtype(np.float32), count // block * size, raw_dtype=one.kind
        )
    with closing(writer):
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for one in tensors:
            writer.write_tensor_data(gguf.quants.quantize(_read(one), one.kind))


def _architecture(config: Mapping[str, Any]) -> str:
    """llama.cpp's name of the architecture; refused when something in it would be lost."""
    name = (config.get("architectures") or ["none"])[0]
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    problem = ""
    if name not in _ARCHITECTURES:
        problem = f"the architecture {name}"
    elif kind != "default":
        problem = f"rotary positions of the kind {kind}"
    elif config.get("hidden_act", "silu") != "silu":
        problem = f"the activation {config['hidden_act']}"
    elif config.get("mlp_bias"):
        problem = "a bias in the feed-forward layers"
    if problem:
        raise ModelError(
            f"{problem} cannot be written as GGUF by tunesmith",
            why=f"only {', '.join(_ARCHITECTURES)} with plain rotary positions are known to be right",
            fix="leave `q8_0` out of compress.variants, or convert the bf16 folder with llama.cpp",
            code="gguf-architecture",
        )
    return _ARCHITECTURES[name]


def _plan(
    model: Path, config: Mapping[str, Any], arch: str, gguf: ModuleType, form: Form
) -> list[_Tensor]:
    """Every tensor in the order in which it is written."""
    key = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == arch)
    names = gguf.get_tensor_name_map(key, int(config["num_hidden_layers"]))
    order = {target: at for at, target in enumerate(names.mapping)}
    found = []
    for file in sorted(model.glob("*.safetensors")):
        with safe_open(file, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118  # not a dict
                if name == "lm_head.weight" and config.get("tie_word_embeddings"):
                    continue
                target = names.get_name(name, try_suffixes=(".weight", ".bias"))
                if target is None:
                    raise _unknown(name, arch)
                shape = tuple(weights.get_slice(name).get_shape())
                kind = _kind(gguf.GGMLQuantizationType, shape, form)
                heads = _rotary_heads(name, config) if arch == "llama" else 0
                found.append(_Tensor(name, file, target, shape, kind, heads))
    return sorted(found, key=lambda one: (_layer(one.target), order.get(one.name, 0), one.target))


def _kind(kinds: Any, shape: tuple[int, ...], form: Form) -> Any:
    if len(shape) == 1:
        return kinds.F32
    return kinds.Q8_0 if form == "q8_0" and shape[-1] % 32 == 0 else kinds.F16


def _layer(target: str) -> int:
    parts = target.split(".")
    return int(parts[1]) if parts[0] == "blk" else -1


def _rotary_heads(name: str, config: Mapping[str, Any]) -> int:
    heads = int(config["num_attention_heads"])
    if ".q_proj." in name:
        return heads
    return int(config.get("num_key_value_heads") or heads) if ".k_proj." in name else 0


def _read(one: _Tensor) -> NDArray[np.float32]:
    """The tensor in float32, its rows in llama.cpp's order."""
    with safe_open(one.file, framework="pt") as weights:
        values: NDArray[np.float32] = weights.get_tensor(one.name).to(torch.float32).numpy()
    if not np.isfinite(values).all() or np.abs(values).max(initial=0) > np.finfo(np.float16).max:
        raise ModelError(
            f"{one.name} in {one.file} has values that float16 cannot hold",
            why="the file would hold infinities, and the model would answer nonsense",
            fix="check the training run: its weights have diverged",
            code="gguf-overflow",
        )
    if not one.rotary_heads:
        return values
    # Transformers turns a head's first half against its second, llama.cpp neighbours in pairs
    halves = values.reshape(one.rotary_heads, 2, -1, *values.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(values.shape))


def _add_shape(writer: Any, config: Mapping[str, Any], gguf: ModuleType, form: Form) -> None:
    heads = int(config["num_attention_heads"])
    head_width = int(config.get("head_dim") or config["hidden_size"] // heads)
    rope = config.get("rope_parameters") or {}
    types = gguf.LlamaFileType
    writer.add_type("model")
    writer.add_file_type(types.MOSTLY_Q8_0 if form == "q8_0" else types.MOSTLY_F16)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(int(config["vocab_size"]))
    writer.add_context_length(int(config["max_position_embeddings"]))
    writer.add_embedding_length(int(config["hidden_size"]))
    writer.add_block_count(int(config["num_hidden_layers"]))
    writer.add_feed_forward_length(int(config["intermediate_size"]))
    writer.add_head_count(heads)
    writer.add_head_count_kv(int(config.get("num_key_value_heads") or heads))
    writer.add_key_length(head_width)
    writer.add_value_length(head_width)
    writer.add_rope_dimension_count(head_width)
    writer.add_rope_freq_base(float(rope.get("rope_theta") or config.get("rope_theta") or 10_000.0))
    writer.add_layer_norm_rms_eps(float(config["rms_norm_eps"]))


def _add_tokenizer(writer: Any, vocabulary: Vocabulary, template: str | None) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(vocabulary.split)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.types)
    writer.add_token_merges(vocabulary.merges)
    for name, token in vocabulary.special.items():
        getattr(writer, f"add_{name}_token_id")(token)
    writer.add_add_bos_token(vocabulary.adds_bos)
    writer.add_add_space_prefix(False)
    if template:
        writer.add_chat_template(template)


def _unknown(name: str, arch: str) -> ModelError:
    return ModelError(
        f"the tensor {name} has no place in a GGUF file of the architecture {arch}",
        why="a weight that is left out changes every answer",
        fix="leave `q8_0` out of compress.variants, or convert the bf16 folder with llama.cpp",
        code="gguf-architecture",
    )
