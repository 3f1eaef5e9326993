"""Bytes at the peak of training, line by line, from the model's sizes and the largest part of a batch.

The peak comes at the end of a forward pass: every layer's saved tensors are there, and the loss adds
its logits. Letters: D width, I inner width, H heads, G key-value heads, h size of a head, L tokens of
the longest row, V vocabulary, r rank, b bytes of a number in the forward pass (2 for bf16).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tunesmith.budget.method import Method, trainable_parameters
from tunesmith.models.spec import FAMILIES, ModelSpec

RUNTIME_BYTES: Final = 530_000_000
"""Python with torch, Transformers, PEFT and pyarrow imported and the model opened: measured, less weights."""

ALLOCATOR_SHARE: Final = 0.3
"""What the allocator holds beyond the tensors of the passes, as a share of them: freed blocks that
do not fit the next part. Measured on a CPU (glibc): 0.1 at 256 tokens, 0.37 at 1,024 in the second
update, 0.29 over an epoch of parts of changing sizes."""

PART_TOKENS: Final = 1024
"""Tokens that training forwards at once when `resources.micro_batch` does not say how many rows."""

_LABELS_WIDENED: Final = 32
"""Labels whose logits are float32 at one time, see `tunesmith.losses.cross_entropy`."""


@dataclass(frozen=True, slots=True)
class Precision:
    """Bytes of each kind of number while training."""

    forward: int = 2
    """Weights and everything in the forward pass: bf16; 4 for float32."""
    trained: int = 4
    """A trained weight, its gradient, and the best copy of it: float32 always."""
    moments: int = 8
    """AdamW's two running means, float32 each (Loshchilov and Hutter 2019, arXiv:1711.05101)."""


BF16: Final = Precision()
"""bf16 in the forward pass, float32 for what is trained."""


@dataclass(frozen=True, slots=True)
class Part:
    """The largest part of a batch that one forward pass sees; rows stand side by side, unpadded."""

    tokens: int
    length: int
    """Tokens of the longest row."""
    labels: int
    """Tokens that are trained on: logits are computed only there."""


@dataclass(frozen=True, slots=True)
class MemoryLine:
    """One line of the plan: what it is, its bytes, and the product that gave them."""

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
    part: Part,
    precision: Precision = BF16,
    runtime_bytes: int = RUNTIME_BYTES,
) -> MemoryPlan:
    """The predicted peak of training ``spec`` with ``method`` on parts no larger than ``part``."""
    passing = _passing(spec, method, part, precision)
    moved = sum(line.bytes for line in passing)
    slack = MemoryLine(
        "allocator", round(moved * ALLOCATOR_SHARE), f"{ALLOCATOR_SHARE} x activations and logits"
    )
    lines = [
        *_held(spec, method, precision),
        *passing,
        slack,
        MemoryLine("runtime", runtime_bytes, "interpreter and libraries, measured"),
    ]
    return MemoryPlan(tuple(line for line in lines if line.bytes))


def worst_part(
    lengths: Sequence[int], labels: Sequence[int], *, batch: int, micro_batch: int = 0
) -> Part:
    """The most that one forward pass may see of rows with these token counts.

    Rows come in random order, so the worst is the fullest part that some rows make: up to `PART_TOKENS`
    tokens of at most ``batch`` rows, or one longer row; with ``micro_batch``, so many of the longest rows.
    The same for labels, with the rows that have most of them.
    """
    rows = min(batch, micro_batch or batch)
    longest = max(lengths, default=0)
    together = sum(sorted(lengths, reverse=True)[:rows])
    tokens = together if micro_batch else min(together, max(_fullest(lengths), longest))
    learnt = sum(sorted(labels, reverse=True)[:rows])
    return Part(tokens, longest, min(learnt, tokens))


def _fullest(lengths: Sequence[int]) -> int:
    """The largest sum of some ``lengths`` that is at most `PART_TOKENS`; bit n stands for the sum n."""
    sums, full = 1, 1 << PART_TOKENS
    for length in lengths:
        if length <= PART_TOKENS:
            sums |= (sums << length) & (2 * full - 1)
        if sums & full:
            break
    return sums.bit_length() - 1


def _held(spec: ModelSpec, method: Method, precision: Precision) -> list[MemoryLine]:
    """What stays from step to step: weights, gradients, optimizer state, the best weights so far."""
    trained = trainable_parameters(spec, method)
    is_full, is_narrow = method.name == "full", precision.forward < precision.trained
    # weights that are float32 already are their own masters, and their gradients are made wide
    apart = 0 if is_full and not is_narrow else trained
    rounded = trained if is_narrow else 0
    return [
        _line("weights", spec.parameters, precision.forward, "weights"),
        _line("trained weights", apart, precision.trained, "trained weights in float32"),
        _line("gradients", trained, precision.trained, "trained weights"),
        _line("rounded copies", rounded, precision.forward, "trained weights or their gradients"),
        _line("optimizer", trained, precision.moments, "trained weights"),
        _line("best weights", trained, precision.trained, "trained weights"),
    ]


def _passing(spec: ModelSpec, method: Method, part: Part, precision: Precision) -> list[MemoryLine]:
    """What one forward pass needs: saved tensors, prefix, logits with their gradient."""
    each = activation_bytes(spec, method, length=part.length, precision=precision)
    prefix = 2 * spec.layers * spec.kv_heads * spec.head_dim * method.prefix_tokens
    widened = min(part.labels, _LABELS_WIDENED) * spec.vocabulary
    return [
        _line("activations", part.tokens, each, "tokens of a part"),
        _line("prefix keys and values", prefix, precision.forward, "numbers"),
        _line(
            "logits", part.labels * spec.vocabulary, 2 * precision.forward, "labels x vocabulary"
        ),
        _line("logits in float32", widened, 8, "labels at a time x vocabulary"),
    ]


def activation_bytes(
    spec: ModelSpec, method: Method, *, length: int, precision: Precision = BF16
) -> int:
    """Bytes that one token's forward pass keeps for the backward pass, over all layers.

    In each layer every norm keeps its input in float32 and one more number (2 x (4D + 4)); attention keeps
    q, k and v ((H + 2G)hb) and the probabilities of its row (H x L x b); the feed-forward block keeps gate,
    its SiLU and up (3Ib). Then come the inputs of the linear maps that learn: the norms' outputs (2Db), attention's
    output (Hhb), the gated product (Ib), and r numbers for each LoRA pair. Equal to what torch's
    saved_tensors_hooks count for our own training model; a test holds it.
    """
    b, family = precision.forward, FAMILIES[spec.family]
    # full tuning also keeps the normalised numbers, for the gradient of the norms' weights
    wide = 8 if method.name == "full" else 4
    norms = family.norms * (spec.width * wide + 4)
    if family.head_norms:
        norms += (spec.heads + spec.kv_heads) * (spec.head_dim * wide + 4)
    attention = (spec.heads + 2 * spec.kv_heads) * spec.head_dim * b
    probabilities = spec.heads * (length + method.prefix_tokens) * b
    layer = norms + attention + probabilities + 3 * spec.feed_forward * b
    layer += _learning_bytes(spec, method, precision)
    return spec.layers * layer + spec.width * wide + 4


_SOURCES: Final[dict[str, str]] = {
    "q_proj": "first norm", "k_proj": "first norm", "v_proj": "first norm", "qkv_proj": "first norm",
    "o_proj": "attention", "gate_proj": "second norm", "up_proj": "second norm",
    "gate_up_proj": "second norm", "down_proj": "product",
}  # fmt: skip
"""Whose output each linear map reads: maps that read the same tensor keep it once."""


def _learning_bytes(spec: ModelSpec, method: Method, precision: Precision) -> int:
    """What the learning maps of one layer keep of one token: their inputs, and LoRA's inner numbers."""
    b = precision.forward
    if method.name == "prefix":
        return 0
    targets = spec.linears if method.name == "full" else spec.targets(method.target_modules)
    inputs = {_SOURCES[target.name]: target.inputs for target in targets}
    return sum(inputs.values()) * b + len(targets) * method.r * b


def _line(name: str, count: int, each: int, unit: str) -> MemoryLine:
    return MemoryLine(name, count * each, f"{count:,} {unit} x {each:,} bytes")
