"""The rule by which a method is chosen, in one place, with its reasons in words.

1. A method that the user names is taken; if it does not fit, it is refused.
2. Otherwise full tuning, when there are at least ``full_from_rows`` rows and it fits.
3. Otherwise LoRA, when it fits.
4. Prefix tuning is never chosen: with the defaults of PEFT it reached 0.186 where LoRA reached 0.478
   (PEFT's comparison, Llama-3.2-3B on GSM8K). It is listed, so that its memory can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tunesmith.budget.memory import BF16, MemoryPlan, Precision, predict, worst_part
from tunesmith.budget.method import METHODS, Method, MethodName
from tunesmith.core.errors import ConfigError
from tunesmith.models.spec import ModelSpec
from tunesmith.select.config import SelectConfig


@dataclass(frozen=True, slots=True)
class Counts:
    """What the rows are, in tokens: one entry for each row that is short enough to train on."""

    lengths: Sequence[int]
    labels: Sequence[int]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.lengths)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A method with its memory plan, and whether that is within the limit."""

    method: Method
    memory: MemoryPlan
    fits: bool


def fit(
    spec: ModelSpec,
    config: SelectConfig,
    counts: Counts,
    *,
    limit_bytes: int,
    precision: Precision = BF16,
    micro_batch: int = 0,
) -> dict[MethodName, Fitted]:
    """Each method's plan for the most that one forward pass may see of these rows."""
    part = worst_part(
        counts.lengths, counts.labels, batch=config.train_batch_size, micro_batch=micro_batch
    )
    plans = {
        name: predict(spec, method_of(name, config), part=part, precision=precision)
        for name in METHODS
    }
    return {
        name: Fitted(method_of(name, config), plan, plan.bytes <= limit_bytes)
        for name, plan in plans.items()
    }


def method_of(name: MethodName, config: SelectConfig) -> Method:
    """The method called ``name`` with the size that the settings give it."""
    if name == "lora":
        return Method("lora", r=config.lora.r, target_modules=config.lora.target_modules)
    if name == "prefix":
        return Method("prefix", prefix_tokens=config.num_virtual_tokens)
    return Method("full")


def choose(config: SelectConfig, rows: int, fitted: Mapping[MethodName, Fitted]) -> MethodName:
    """The method that the rule at the head of this module gives.

    Raises:
        ConfigError: when the method it leads to does not fit in the memory that may be used.

    """
    wanted: MethodName
    if config.method != "auto":
        wanted = config.method
    elif rows >= config.full_from_rows and fitted["full"].fits:
        wanted = "full"
    else:
        wanted = "lora"
    if fitted[wanted].fits:
        return wanted
    raise ConfigError(
        f"{wanted} tuning needs {gigabytes(fitted[wanted].memory.bytes)}",
        why="that is more than `select.memory_bytes`, or `select.memory_share` of this machine's memory",
        fix="set resources.micro_batch to 1, lower train.max_length, or choose a smaller model",
        code="memory-plan",
    )


def reason(
    name: MethodName, chosen: MethodName, config: SelectConfig, rows: int, fits: bool
) -> str:
    """Why ``name`` was chosen or was not, in one sentence without a measured number."""
    if name == chosen and config.method != "auto":
        return "set by select.method"
    if name == chosen:
        return _why_chosen(name, config, rows)
    if not fits:
        return "does not fit in the memory that may be used"
    if name == "full":
        few = (
            f"{rows:,} rows are fewer than {config.full_from_rows:,}: LoRA learns as much from them"
        )
        return few if rows < config.full_from_rows else "another method was asked for"
    if name == "prefix":
        return "reached 0.186 to 0.416 where LoRA reached 0.478 (PEFT, Llama-3.2-3B on GSM8K)"
    return "another method was chosen"


def gigabytes(count: float) -> str:
    """``5.3 GB``: a thousand million bytes each."""
    return f"{count / 1e9:.1f} GB"


def _why_chosen(name: MethodName, config: SelectConfig, rows: int) -> str:
    if name == "full":
        return f"{rows:,} rows reach {config.full_from_rows:,}, and full tuning fits"
    if rows >= config.full_from_rows:
        return "full tuning does not fit, and LoRA does"
    return (
        f"{rows:,} rows are fewer than {config.full_from_rows:,}: LoRA learns as much from them "
        "with less memory, and leaves the base model as it is"
    )
