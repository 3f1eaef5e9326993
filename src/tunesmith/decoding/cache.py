"""Keys and values of every row that is being decoded, in buffers that are written in place.

Rows are aligned on the left: position t of a row is always at index t of the buffer, whatever the
other rows do, so a row can join, leave, or be longer than its neighbours and nothing is padded
from the front. The rows in use are always the first ones, so a step works on a view.
Shapes: B rows, H key/value heads, T tokens, D width of a head.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Prefix:
    """Keys and values of tokens that several rows start with: (1, H, T, D) for each layer."""

    length: int
    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]


class SlotCache:
    """What a Transformers model takes as ``past_key_values``: it calls `update` in each layer.

    Call `reserve` before rows or tokens are added, and `at_prompt` or `at_step` before each
    forward pass, to say where the pass writes.
    """

    is_compileable = False

    def __init__(self) -> None:
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []
        self._rows = 0
        self._tokens = 0
        self._first = 0
        self._count = 0
        self._start = 0
        self._width = 0
        self._ends_B: Tensor | None = None

    def reserve(self, rows: int, tokens: int) -> None:
        """Make room for ``rows`` of ``tokens`` each; what is there stays."""
        if rows <= self._rows and tokens <= self._tokens:
            return
        kept_rows, kept_tokens = self._rows, self._tokens
        # doubling keeps the copying of a slowly growing cache proportional to its final size
        self._rows = max(rows, kept_rows)
        self._tokens = max(tokens, min(2 * kept_tokens, tokens + 1024), kept_tokens)
        for buffers in (self._keys, self._values):
            for layer, old in enumerate(buffers):
                new = old.new_zeros(self._rows, old.shape[1], self._tokens, old.shape[3])
                new[:kept_rows, :, :kept_tokens] = old
                buffers[layer] = new

    def at_prompt(self, first: int, count: int, *, start: int, width: int) -> None:
        """The next pass writes tokens ``start..start+width-1`` of rows ``first..first+count-1``."""
        assert first + count <= self._rows, "reserve rows first"
        assert start + width <= self._tokens, "reserve tokens first"
        self._first, self._count, self._start, self._width = first, count, start, width
        self._ends_B = None

    def at_step(self, lengths_B: Tensor, longest: int) -> None:
        """The next pass writes one token at index ``lengths_B[i]`` of each of the first B rows."""
        assert longest < self._tokens, "reserve first"
        self._first, self._count, self._start, self._width = 0, len(lengths_B), longest, 1
        self._ends_B = lengths_B

    def update(
        self, keys_BHTD: Tensor, values_BHTD: Tensor, layer_idx: int, *_: object, **__: object
    ) -> tuple[Tensor, Tensor]:
        """Store one layer's new keys and values; all that the rows have so far in this layer."""
        if layer_idx == len(self._keys):
            self._keys.append(self._empty(keys_BHTD))
            self._values.append(self._empty(values_BHTD))
        keys, values = self._keys[layer_idx], self._values[layer_idx]
        last = self._first + self._count
        end = self._start + self._width
        if self._ends_B is not None:
            rows = torch.arange(self._count, device=keys.device)
            keys[rows, :, self._ends_B] = keys_BHTD[:, :, 0]
            values[rows, :, self._ends_B] = values_BHTD[:, :, 0]
        else:
            keys[self._first : last, :, self._start : end] = keys_BHTD
            values[self._first : last, :, self._start : end] = values_BHTD
            if self._start == 0:
                return keys_BHTD, values_BHTD
        return keys[self._first : last, :, :end], values[self._first : last, :, :end]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Tokens before the ones of the current pass."""
        return self._start

    def get_query_offset(self, layer_idx: int = 0) -> int:
        """Position of the current pass's first token."""
        return self._start

    def get_mask_sizes(self, query_length: int, layer_idx: int = 0) -> tuple[int, int]:
        """(keys that the current pass sees, index of the first)."""
        return self._start + query_length, 0

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first ``length`` tokens of row ``source`` over row ``target``."""
        for buffer in (*self._keys, *self._values):
            buffer[target, :, :length] = buffer[source, :, :length]

    def cut(self, row: int, length: int) -> Prefix:
        """A copy of the first ``length`` tokens of a row, to start other rows with."""
        return Prefix(
            length,
            tuple(buffer[row : row + 1, :, :length].clone() for buffer in self._keys),
            tuple(buffer[row : row + 1, :, :length].clone() for buffer in self._values),
        )

    def paste(self, prefix: Prefix, first: int, count: int) -> None:
        """Start rows ``first..first+count-1`` with ``prefix``."""
        for buffers, parts in ((self._keys, prefix.keys), (self._values, prefix.values)):
            for buffer, part in zip(buffers, parts, strict=True):
                buffer[first : first + count, :, : prefix.length] = part

    def prepare(self, like: SlotCache) -> None:
        """Make the buffers, as the first pass would, where only `paste` will fill them."""
        if not self._keys:
            self._keys = [self._empty(buffer) for buffer in like._keys]
            self._values = [self._empty(buffer) for buffer in like._values]

    def clear(self) -> None:
        """Give the memory back."""
        self._keys, self._values, self._rows, self._tokens = [], [], 0, 0

    def _empty(self, like_BHTD: Tensor) -> Tensor:
        _, heads, _, width = like_BHTD.shape
        # zeros, because a masked NaN from fresh memory would still spread through the softmax
        return like_BHTD.new_zeros(self._rows, heads, self._tokens, width)
