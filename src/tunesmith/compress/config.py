"""Settings of the stage ``compress``."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, MinLen

from tunesmith.core.config import Config

Variant = Literal["bf16", "q8_0", "int8"]


class CompressConfig(Config):
    """Which forms are made of the model, and how much they may lose."""

    variants: Annotated[tuple[Variant, ...], MinLen(1)] = ("bf16", "q8_0", "int8")
    """bf16: the merged model as a Transformers folder, always made, because the others are measured
    against it. q8_0: GGUF for llama.cpp. int8: weights of 8 bits for PyTorch."""
    required: tuple[Variant, ...] = ("bf16", "q8_0")
    """A variant named here that loses parity stops the pipeline; the others are only marked."""
    language: Literal["en", "zh"] = "en"
    """Language of the answers; decides how ROUGE cuts words."""
    max_rows: Annotated[int, Ge(1)] = 8
    """Rows that each variant answers and scores, those with the smallest ids. 8 rows and three
    variants take less than a minute on two CPU cores; more rows make the intervals narrower."""
    max_new_tokens: Annotated[int, Ge(1)] = 48
    """An answer is cut here."""
    perplexity_tolerance: Annotated[float, Gt(0.0)] = 0.05
    """How far a variant's perplexity may lie from the control's, as a share. Measured on SmolLM2-135M and
    8 rows: Q8_0 0.6 %, int8 0.1 %, merging into bfloat16 2.0 %; a wrong rotary order gives several 100 %."""
    agreement_at_least: Annotated[float, Ge(0.0), Le(1.0)] = 0.85
    """Least share of places in the expected answers at which a variant would write the same next token as
    the control."""
    speed_rounds: Annotated[int, Ge(1)] = 3
    """Times that each variant's speed is measured, in turn; the median counts."""
    speed_tokens: Annotated[int, Ge(2)] = 32
    """New tokens of one measurement of speed, for one request at a time."""
