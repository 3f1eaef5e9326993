"""Settings of the stage ``align``; the names are those of TRL's DPOConfig."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from tunesmith.core.config import Config
from tunesmith.models.adapter import LoraSettings


class AlignConfig(Config):
    """How a model is aligned with pairs of a chosen and a rejected answer."""

    method: Literal["dpo"] = "dpo"
    """Direct preference optimisation: Rafailov et al. 2023 (arXiv:2305.18290)."""
    beta: Annotated[float, Gt(0)] = 0.1
    """How strongly the model is held to where it started (eq. 7); 0.1 is the paper's."""
    lora: LoraSettings = LoraSettings()
    """Used when the model to align is not an adapter already."""
    learning_rate: Annotated[float, Gt(0)] = 5e-5
    """Highest rate; a tenth of what supervised tuning takes, because the loss starts at ln 2."""
    lr_scheduler_type: Literal["constant", "linear", "cosine"] = "cosine"
    """Shape after the warm-up; linear and cosine end at 0."""
    warmup_start_lr: Annotated[float, Ge(0)] = 1e-6
    """Rate of the first step."""
    warmup_ratio: Annotated[float, Ge(0), Lt(1)] = 0.1
    """Share of all steps in which the rate grows."""
    num_train_epochs: Annotated[float, Gt(0)] = 1.0
    """Passes over the pairs."""
    max_steps: Annotated[int, Ge(0)] = 0
    """Updates in all; 0 means: by num_train_epochs."""
    train_batch_size: Annotated[int, Ge(1)] = 8
    """Pairs in one update."""
    max_length: Annotated[int, Ge(8)] = 1024
    """Longest row in tokens, prompt and answer together; a pair with a longer one is left out."""
    too_long: Literal["drop", "error"] = "drop"
    """What happens to a pair with a longer row."""
    valid_share: Annotated[float, Ge(0), Lt(1)] = 0.1
    """Share of the pairs, by hash of their id, that is held out to measure reward accuracy."""
    weight_decay: Annotated[float, Ge(0)] = 0.0
    """Decoupled decay of matrices."""
    max_grad_norm: Annotated[float, Ge(0)] = 1.0
    """The gradient's norm is brought down to this; 0 means never."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of the matrix products; see TrainConfig."""
    save_steps: Annotated[int, Ge(0)] = 0
    """Updates between two checkpoints; 0 means: after about a minute of work."""
