"""The shape of an adapter, as settings that every room which trains one shares. Light: no torch."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt

from tunesmith.core.config import Config


class LoraSettings(Config):
    """Low-rank adapters, as PEFT's LoraConfig names them."""

    r: Annotated[int, Ge(1), Le(1024)] = 16
    """Rank of each pair of matrices."""
    lora_alpha: Annotated[float, Gt(0)] = 32
    """The product B A is multiplied by lora_alpha / r (by lora_alpha / sqrt(r) with use_rslora)."""
    lora_dropout: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Share of inputs of A set to 0; above 0 each row gets a forward pass of its own."""
    target_modules: str | tuple[str, ...] = "all-linear"
    """Names of linear layers, or all but the output head. All: Dettmers et al. 2023 (arXiv:2305.14314)."""
    use_rslora: bool = False
    """Rank-stabilised scaling: Kalajdzievski 2023 (arXiv:2312.03732)."""
