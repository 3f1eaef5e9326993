"""Bytes at the peak of training, line by line, from the model's sizes and the largest batch.

The peak comes at the end of a forward pass: every layer's saved tensors are there, and the loss
adds its logits. Letters: D width, I inner width, H heads, h size of a head, T length of the
padded rows, V vocabulary, r rank, b bytes of a number in the forward pass (2 for bf16).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tunesmith.budget.method import Method, trainable_parameters
from tunesmith.models.spec import FAMILIES, ModelSpec

RUNTIME_BYTES = 480_000_000
"""Python with torch, transformers and peft imported, on a CPU: measured 0.45 to 0.50 GB resident."""

LOGIT_BYTES = 18
"""Bytes of a logit and what cross-entropy keeps beside it: the bf16 product and its gradient (2 + 2),
its float32 form and that form's gradient (4 + 4), log-softmax (4), and rounding by the allocator (2)."""


@dataclass(frozen=True, slots=True)
class Precision:
    """Bytes of each kind of number while training."""

    weight: int = 2
    """A frozen weight, and everything in the forward pass: bf16."""
    trained: int = 4
    """A weight that is trained: float32, because a bf16 step of 1e-5 of the value is lost."""
    gradient: int = 4
    moments: int = 8
    """AdamW's two running means, float32 each (Loshchilov and Hutter 2019, arXiv:1711.05101)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The largest batch that one forward pass sees."""

    rows: int
    length: int
    """Tokens in each row after padding."""
    labels: int
    """Tokens of the whole batch that are trained on: logits are computed only there."""


@dataclass(frozen=True, slots=True)
class MemoryLine:
    """One line of the plan: what it is, its bytes, and the sum that gave them."""

    name: str
    bytes: int
    formula: str


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Predicted peak, line by line, in the order in which training needs them."""

    lines: tuple[MemoryLine, ...]

    @property
    def bytes(self) -> int:
        """Sum of the lines."""
        return sum(line.bytes for line in self.lines)

    def line(self, name: str) -> int:
        """Bytes of the line called ``name``; 0 when the method does not need it."""
        return sum(line.bytes for line in self.lines if line.name == name)


def predict(
    spec: ModelSpec,
    method: Method,
    *,
    batch: Batch,
    precision: Precision = Precision(),
    runtime_bytes: int = RUNTIME_BYTES,
) -> MemoryPlan:
    """The predicted peak of training ``spec`` with ``method`` on batches no larger than ``batch``."""
    lines = [
        *_held(spec, method, precision),
        *_passing(spec, method, batch, precision),
        MemoryLine("runtime", runtime_bytes, "interpreter and libraries, measured"),
    ]
    return MemoryPlan(tuple(line for line in lines if line.bytes))


def largest_rows(
    spec: ModelSpec,
    method: Method,
    *,
    lengths: Sequence[int],
    labels: Sequence[int],
    limit_bytes: int,
    precision: Precision = Precision(),
) -> int:
    """Rows of a batch, at most all, whose predicted peak stays within ``limit_bytes``; 0 if not even one.

    The worst batch is the one of the longest rows: bucketing by length puts them together.
    """
    fitting, beyond = 0, len(lengths) + 1
    while beyond - fitting > 1:
        middle = (fitting + beyond) // 2
        peak = predict(
            spec, method, batch=worst_batch(lengths, labels, rows=middle), precision=precision
        )
        fitting, beyond = (middle, beyond) if peak.bytes <= limit_bytes else (fitting, middle)
    return fitting


def worst_batch(lengths: Sequence[int], labels: Sequence[int], *, rows: int) -> Batch:
    """The batch of the ``rows`` longest rows: padded to the longest, with all their labels."""
    longest = sorted(zip(lengths, labels, strict=True), reverse=True)[:rows]
    length = longest[0][0] if longest else 0
    return Batch(rows=len(longest), length=length, labels=sum(count for _, count in longest))


def _held(spec: ModelSpec, method: Method, precision: Precision) -> list[MemoryLine]:
    """What stays from step to step: weights, gradients, optimizer state."""
    trained = trainable_parameters(spec, method)
    frozen = 0 if method.name == "full" else spec.parameters
    return [
        _line("weights", frozen, precision.weight, "frozen weights"),
        _line("trained weights", trained, precision.trained, "trained weights"),
        _line("gradients", trained, precision.gradient, "trained weights"),
        _line("optimizer", trained, precision.moments, "trained weights"),
    ]


def _passing(
    spec: ModelSpec, method: Method, batch: Batch, precision: Precision
) -> list[MemoryLine]:
    """What one batch needs: saved tensors of the forward pass, prefix, logits."""
    tokens = batch.rows * batch.length
    each = activation_bytes(spec, method, length=batch.length, precision=precision)
    prefix = 2 * spec.layers * spec.heads * spec.head_dim * method.prefix_tokens
    return [
        _line("activations", tokens, each, "tokens of the batch"),
        _line("prefix keys and values", batch.rows * prefix, precision.weight, "numbers"),
        _line("logits", batch.labels * spec.vocabulary, LOGIT_BYTES, "labels x vocabulary"),
    ]


def activation_bytes(
    spec: ModelSpec, method: Method, *, length: int, precision: Precision = Precision()
) -> int:
    """Bytes that one token's forward pass keeps for the backward pass, over all layers.

    In each layer every norm keeps its input in float32 and one number (2 x (4D + 4)); attention keeps
    q, k and v after rotation (k and v repeated to H heads) and its output (4 x Hh x b), its normaliser (4H)
    and a row of the mask (T x b); the feed-forward block keeps gate, its SiLU and up (3 x I x b). The
    method adds the inputs that its own gradients need. Counted with torch's saved_tensors_hooks on
    Transformers' Llama (eager layers, SDPA on a CPU with a mask); a test holds them equal.
    """
    family = FAMILIES[spec.family]
    b, heads = precision.weight, spec.heads * spec.head_dim
    norms = family.norms * (4 * spec.width + 4)
    if family.head_norms:
        norms += (spec.heads + spec.kv_heads) * (4 * spec.head_dim + 4)
    attention = 4 * heads * b + 4 * spec.heads + (length + method.prefix_tokens) * b
    layer = norms + attention + 3 * spec.feed_forward * b + _method_bytes(spec, method, precision)
    return spec.layers * layer + (4 + b) * spec.width + 4


_SOURCES: Final[dict[str, str]] = {
    "q_proj": "first norm", "k_proj": "first norm", "v_proj": "first norm", "qkv_proj": "first norm",
    "gate_proj": "second norm", "up_proj": "second norm", "gate_up_proj": "second norm",
    "down_proj": "product",
}  # fmt: skip
"""Whose output each linear map reads; o_proj reads attention's, which is kept in any case."""


def _method_bytes(spec: ModelSpec, method: Method, precision: Precision) -> int:
    """What the method's own gradients need of one token in one layer."""
    b = precision.weight
    if method.name == "prefix":
        return 0
    if method.name == "full":  # the inputs of every linear map, and of every norm before its weight
        return (2 * spec.width + spec.feed_forward + FAMILIES[spec.family].norms * spec.width) * b
    targets = spec.targets(method.target_modules)
    between = len(targets) * method.r * precision.trained
    if precision.trained == b:
        read = {_SOURCES[t.name]: t.inputs for t in targets if t.name in _SOURCES}
        return sum(read.values()) * b + between
    # PEFT casts the input to the pair's own type: one copy for each map, shared by none.
    return sum(target.inputs for target in targets) * precision.trained + between


def _line(name: str, count: int, each: int, unit: str) -> MemoryLine:
    return MemoryLine(name, count * each, f"{count:,} {unit} x {each:,} bytes")
