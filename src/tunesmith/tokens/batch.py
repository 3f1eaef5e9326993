"""Rows side by side without padding: one long row of tokens, and where each row begins.

Letters: T tokens of all rows together, N tokens that are learnt. No token is spent on padding, so
rows need not be sorted by length, and the order of the epoch stays random.
"""

# ruff: noqa: N815 -- tensors carry their shapes in their names

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tunesmith.tokens.chat import Encoded


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows as tensors; attention never crosses from one to another."""

    rows: tuple[int, ...]
    """Which rows these are, as the caller counts them."""
    lengths: tuple[int, ...]
    """Tokens of each row; their sum is T."""
    ids_T: Tensor
    positions_T: Tensor
    """Position of each token in its own row, from 0."""
    at_N: Tensor
    """Where in 0..T-1 the token before each label stands: there the label is predicted."""
    targets_N: Tensor
    """The ids to predict."""
    row_N: Tensor
    """Which row of this batch, from 0, each label belongs to."""

    @property
    def tokens(self) -> int:
        """T, the tokens of all rows together."""
        return len(self.ids_T)

    @property
    def labels(self) -> int:
        """N, the tokens that are learnt."""
        return len(self.at_N)


def collate(rows: Sequence[Encoded], numbers: Sequence[int], device: str = "cpu") -> Batch:
    """The rows as one batch; ``numbers`` says which they are. The first token is never a label."""
    ids: list[int] = []
    positions: list[int] = []
    at: list[int] = []
    row_of: list[int] = []
    for k, row in enumerate(rows):
        first = len(ids)
        ids += row.ids
        positions += range(len(row.ids))
        learnt = [first + j - 1 for j, is_label in enumerate(row.is_label) if is_label and j > 0]
        at += learnt
        row_of += [k] * len(learnt)

    def tensor(values: list[int]) -> Tensor:
        return torch.tensor(values, dtype=torch.long, device=device)

    return Batch(
        rows=tuple(numbers),
        lengths=tuple(len(row.ids) for row in rows),
        ids_T=tensor(ids),
        positions_T=tensor(positions),
        at_N=tensor(at),
        targets_N=tensor([ids[i + 1] for i in at]),
        row_N=tensor(row_of),
    )


def cut(lengths: Sequence[int], *, max_tokens: int, max_rows: int = 0) -> Iterator[tuple[int, ...]]:
    """Positions 0..n-1 in order, in groups that fit one forward pass; each position once.

    A group has at most ``max_tokens`` tokens, unless it is a single longer row, and at most
    ``max_rows`` rows unless that is 0.
    """
    group: list[int] = []
    tokens = 0
    for i, length in enumerate(lengths):
        full = tokens + length > max_tokens or (max_rows and len(group) == max_rows)
        if group and full:
            yield tuple(group)
            group, tokens = [], 0
        group.append(i)
        tokens += length
    if group:
        yield tuple(group)
