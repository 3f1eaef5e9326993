"""The ways of tuning that the budget compares, and how many weights each of them changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from tunesmith.models.spec import ModelSpec

MethodName = Literal["full", "lora", "prefix"]
METHODS: tuple[MethodName, ...] = get_args(MethodName)


@dataclass(frozen=True, slots=True)
class Method:
    """A way of tuning, with the number that sets its size."""

    name: MethodName
    r: int = 0
    """Rank of each LoRA pair; 0 unless the method is LoRA."""
    target_modules: str | tuple[str, ...] = "all-linear"
    """Linear layers that get a LoRA pair, as PEFT names them."""
    prefix_tokens: int = 0
    """Virtual tokens before each row; 0 unless the method is prefix tuning."""


def trainable_parameters(spec: ModelSpec, method: Method) -> int:
    """Weights that ``method`` changes in a model of shape ``spec``.

    Prefix: a key and a value for each virtual token in each layer (Li and Liang 2021,
    arXiv:2101.00190, section 4.2, without the re-parametrisation).
    """
    if method.name == "full":
        return spec.parameters
    if method.name == "lora":
        return spec.lora_parameters(method.r, method.target_modules)
    return spec.kv_cache_parameters * method.prefix_tokens
