"""Settings of the stage ``train``; the names are those of Transformers, TRL and PEFT."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from tunesmith.core.config import Config
from tunesmith.models.adapter import LoraSettings


class TrainConfig(Config):
    """How a model is tuned on conversations."""

    method: Literal["auto", "lora", "full"] = "auto"
    """``auto`` continues what ``start`` is, else takes what ``select`` chose, else ``lora``."""
    lora: LoraSettings = LoraSettings()
    learning_rate: Annotated[float, Gt(0)] | Literal["auto"] = "auto"
    """Highest rate. ``auto``: 5e-4 for lora (best of a trial on 75 clinical rows), 5e-5 for full."""
    lr_scheduler_type: Literal["constant", "linear", "cosine"] = "cosine"
    """Shape after the warm-up; linear and cosine end at 0."""
    warmup_start_lr: Annotated[float, Ge(0)] = 1e-5
    """Rate of the first step; a useful domain is 1e-6 to 3e-5."""
    warmup_ratio: Annotated[float, Ge(0), Lt(1)] = 0.1
    """Share of all steps in which the rate grows; not used when warmup_steps is above 0."""
    warmup_steps: Annotated[int, Ge(0)] = 0
    """Steps in which the rate grows; 0 means: by warmup_ratio."""
    num_train_epochs: Annotated[float, Gt(0)] = 3.0
    """Passes over the rows; a part of a pass is allowed."""
    max_steps: Annotated[int, Ge(0)] = 0
    """Updates in all; 0 means: by num_train_epochs."""
    train_batch_size: Annotated[int, Ge(1)] = 8
    """Rows in one update, over all processes; resources.micro_batch only cuts it up."""
    max_length: Annotated[int, Ge(8)] = 2048
    """Longest row in tokens, prompt and answer together."""
    too_long: Literal["drop", "error"] = "drop"
    """What happens to a longer row. No row is ever cut: that would train on half an answer."""
    learn: Literal["last", "every"] = "last"
    """Which answers of a conversation are learnt: the last one, or every assistant turn."""
    weight_decay: Annotated[float, Ge(0)] = 0.0
    """Decoupled decay of matrices; norms and biases never decay."""
    adam_beta1: Annotated[float, Ge(0), Lt(1)] = 0.9
    """Decay of the mean of gradients. Source of the three: Kingma and Ba 2015 (arXiv:1412.6980)."""
    adam_beta2: Annotated[float, Ge(0), Lt(1)] = 0.999
    """Decay of the mean of squared gradients."""
    adam_epsilon: Annotated[float, Gt(0)] = 1e-8
    """Added to the root of the latter, so that no update is divided by zero."""
    max_grad_norm: Annotated[float, Ge(0)] = 1.0
    """The gradient's norm is brought down to this; 0 means never."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of the matrix products. ``auto``: bf16 where the processor multiplies it, else fp32. Weights
    that are trained, and the optimizer, are float32 always."""
    eval_strategy: Literal["no", "steps", "epoch"] = "epoch"
    """When the validation loss is measured; it also is before the first step and after the last."""
    eval_steps: Annotated[int, Ge(1)] = 50
    """Updates between two measurements when eval_strategy is ``steps``."""
    load_best_model_at_end: bool = True
    """The weights of the lowest validation loss are the result, not those of the last step."""
    early_stopping_patience: Annotated[int, Ge(0)] = 0
    """Measurements without a lower validation loss after which training ends; 0 means never."""
    save_steps: Annotated[int, Ge(0)] = 0
    """Updates between two checkpoints; 0 means: after about a minute of work."""
