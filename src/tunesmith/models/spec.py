"""Parameters and shapes of a decoder, from its ``config.json`` alone: no weights, no torch.

Letters: every count is a plain number of parameters; a shape is (inputs, outputs) as the linear
layer sees them. The counts are held equal to Transformers' own models by a golden test.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tunesmith.core.errors import ModelError
from tunesmith.core.table import nearest


@dataclass(frozen=True, slots=True)
class Family:
    """How one ``model_type`` differs from Llama."""

    qkv_bias: bool = False
    reads_bias: bool = False
    """``attention_bias`` of config.json is obeyed."""
    reads_mlp_bias: bool = False
    """``mlp_bias`` of config.json is obeyed."""
    fused: bool = False
    """One ``qkv_proj`` and one ``gate_up_proj`` instead of three and two."""
    norms: int = 2
    """Norms of the hidden width in each layer."""
    head_norms: bool = False
    """Norms of one head's width on queries and keys."""
    ties: bool = False
    """Input and output embeddings are one matrix unless config.json says otherwise."""
    head_dim: int = 0
    """Width of one head when config.json has none; 0 means width / heads."""


FAMILIES: Final[Mapping[str, Family]] = {
    "llama": Family(reads_bias=True, reads_mlp_bias=True),
    "mistral": Family(),
    "granite": Family(reads_bias=True, reads_mlp_bias=True),
    "smollm3": Family(reads_bias=True, reads_mlp_bias=True, ties=True),
    "qwen2": Family(qkv_bias=True),
    "qwen3": Family(reads_bias=True, head_norms=True, head_dim=128),
    "gemma": Family(reads_bias=True, ties=True, head_dim=256),
    "gemma2": Family(reads_bias=True, ties=True, norms=4, head_dim=256),
    "phi3": Family(fused=True),
}


@dataclass(frozen=True, slots=True)
class Linear:
    """One kind of linear layer, repeated ``count`` times in the model."""

    name: str
    """Last part of the module's name, such as ``q_proj``."""
    inputs: int
    outputs: int
    count: int
    has_bias: bool = False

    @property
    def parameters(self) -> int:
        """Weights and biases of all ``count`` layers."""
        return self.count * (self.inputs * self.outputs + (self.outputs if self.has_bias else 0))


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """The shapes that decide memory, time and trainable parameters."""

    family: str
    layers: int
    width: int
    heads: int
    kv_heads: int
    head_dim: int
    feed_forward: int
    vocabulary: int
    max_positions: int
    is_tied: bool
    linears: tuple[Linear, ...]
    """Every linear layer except the output head, in the order of the forward pass."""
    norm_parameters: int

    @property
    def embedding_parameters(self) -> int:
        """Input embedding, and the output head unless it is the same matrix."""
        return self.vocabulary * self.width * (1 if self.is_tied else 2)

    @property
    def parameters(self) -> int:
        """All parameters of the model."""
        return (
            self.embedding_parameters
            + self.norm_parameters
            + sum(linear.parameters for linear in self.linears)
        )

    @property
    def linear_parameters(self) -> int:
        """Parameters of the matrix products of one token, without the output head."""
        return sum(linear.count * linear.inputs * linear.outputs for linear in self.linears)

    @property
    def kv_cache_parameters(self) -> int:
        """Numbers that one token adds to the key-value cache."""
        return 2 * self.layers * self.kv_heads * self.head_dim

    def targets(self, modules: str | tuple[str, ...] = "all-linear") -> tuple[Linear, ...]:
        """The linear layers that ``target_modules`` names, as PEFT reads it.

        Raises:
            ModelError: when a name is not a linear layer of this model.

        """
        if modules == "all-linear":
            return self.linears
        wanted = (modules,) if isinstance(modules, str) else modules
        known = {linear.name: linear for linear in self.linears}
        for name in wanted:
            if name not in known:
                near = nearest(name, list(known))
                raise ModelError(
                    f"`{name}` is not a linear layer of this {self.family} model",
                    why=f"it has {', '.join(known)}",
                    fix=f"set lora.target_modules to {near or 'all-linear'}",
                    code="target-modules",
                )
        return tuple(known[name] for name in wanted)

    def lora_parameters(self, r: int, modules: str | tuple[str, ...] = "all-linear") -> int:
        """Trainable parameters of LoRA of rank ``r``: r x (inputs + outputs) for each layer.

        Source: Hu et al. 2021 (arXiv:2106.09685), section 4.1.
        """
        return sum(
            linear.count * r * (linear.inputs + linear.outputs) for linear in self.targets(modules)
        )


def read_spec(folder: Path) -> ModelSpec:
    """The spec of the model in ``folder``, from its ``config.json``.

    Raises:
        ModelError: when there is no such file, or the architecture is not known.

    """
    return from_config(_read(folder / "config.json"), source=str(folder / "config.json"))


def read_context(folder: Path) -> int:
    """Most tokens that the model in ``folder`` reads, of any family; a large number if it does not say."""
    return int(_read(folder / "config.json").get("max_position_embeddings") or 1 << 30)


def _read(path: Path) -> dict[str, Any]:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(body, dict):
            raise ValueError(f"it holds a {type(body).__name__}, not an object")
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{path} cannot be read: {error}",
            why="the model's shapes are read from its config.json",
            fix="give a Transformers model folder, or a GGUF file that `fetch` converts",
            code="model-config",
        ) from error
    return body


def from_config(body: Mapping[str, Any], *, source: str = "config.json") -> ModelSpec:
    """The spec that a Transformers config describes; ``source`` is named in errors."""
    name = str(body.get("model_type", ""))
    family = FAMILIES.get(name)
    if family is None:
        raise ModelError(
            f"{source}: model_type {name!r} is not one whose shapes tunesmith knows",
            why=f"memory and time are planned from the shapes; known: {', '.join(FAMILIES)}",
            fix="choose a model of one of these families",
            code="model-family",
        )
    try:
        return _spec(name, family, body)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{source}: {error!r} is missing or is not a whole number",
            why="the model's shapes are read from its config.json",
            fix="restore config.json from the model's publisher",
            code="model-config",
        ) from error


def _spec(name: str, family: Family, body: Mapping[str, Any]) -> ModelSpec:
    layers, width, heads = (
        int(body[key]) for key in ("num_hidden_layers", "hidden_size", "num_attention_heads")
    )
    kv_heads = int(body.get("num_key_value_heads") or heads)
    head_dim = int(body.get("head_dim") or family.head_dim or width // heads)
    head_norms = 2 * head_dim if family.head_norms else 0
    tied = body.get("tie_word_embeddings")
    return ModelSpec(
        family=name,
        layers=layers,
        width=width,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        feed_forward=int(body["intermediate_size"]),
        vocabulary=int(body["vocab_size"]),
        max_positions=int(body.get("max_position_embeddings") or 0),
        is_tied=family.ties if tied is None else bool(tied),
        linears=_linears(family, body, heads * head_dim, kv_heads * head_dim),
        norm_parameters=layers * (family.norms * width + head_norms) + width,
    )


def _linears(
    family: Family, body: Mapping[str, Any], queries: int, keys: int
) -> tuple[Linear, ...]:
    layers, width, inner = (
        int(body[key]) for key in ("num_hidden_layers", "hidden_size", "intermediate_size")
    )
    attention_bias = family.reads_bias and bool(body.get("attention_bias"))
    mlp_bias = family.reads_mlp_bias and bool(body.get("mlp_bias"))
    qkv_bias, o_bias = family.qkv_bias or attention_bias, attention_bias
    if family.fused:
        return (
            Linear("qkv_proj", width, queries + 2 * keys, layers, qkv_bias),
            Linear("o_proj", queries, width, layers, o_bias),
            Linear("gate_up_proj", width, 2 * inner, layers, mlp_bias),
            Linear("down_proj", inner, width, layers, mlp_bias),
        )
    return (
        Linear("q_proj", width, queries, layers, qkv_bias),
        Linear("k_proj", width, keys, layers, qkv_bias),
        Linear("v_proj", width, keys, layers, qkv_bias),
        Linear("o_proj", queries, width, layers, o_bias),
        Linear("gate_proj", width, inner, layers, mlp_bias),
        Linear("up_proj", width, inner, layers, mlp_bias),
        Linear("down_proj", inner, width, layers, mlp_bias),
    )
