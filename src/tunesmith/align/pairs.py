"""Pairs of answers as tokens, their log-probabilities, and the reference kept on disk."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tunesmith.align.config import AlignConfig
from tunesmith.core.digest import of_bytes, of_file
from tunesmith.core.errors import DataError
from tunesmith.core.stage import Context
from tunesmith.loop.trainable import Trainable
from tunesmith.losses.logps import answer_logps
from tunesmith.records.conversation import Message
from tunesmith.records.rows import read_preferences
from tunesmith.tokens.batch import Batch, collate, cut
from tunesmith.tokens.chat import Encoded, encode
from tunesmith.tokens.tokenizer import Tokenizer

PART_TOKENS: Final = 1024
"""Tokens of one forward pass; a pair is never divided, so a longer pair stands alone."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One prompt with two answers."""

    chosen: Encoded
    rejected: Encoded
    id: str

    @property
    def tokens(self) -> int:
        """Tokens of both rows."""
        return len(self.chosen.ids) + len(self.rejected.ids)


@dataclass(frozen=True, slots=True)
class PairBatch:
    """Some pairs side by side: all chosen rows, then all rejected ones."""

    numbers: tuple[int, ...]
    rows: Batch

    @property
    def tokens(self) -> int:
        """Tokens of all rows."""
        return self.rows.tokens


def encode_pairs(
    folder: Path, tokenizer: Tokenizer, config: AlignConfig, *, context: int, ctx: Context
) -> list[Pair]:
    """Every pair whose rows both fit, in order; the others are counted by reason.

    ``context`` is the most tokens that the model reads.

    Raises:
        DataError: when a row is too long and that is an error, or when no pair is left.

    """
    kept: list[Pair] = []
    dropped: Counter[str] = Counter()
    count = 0
    limit = min(config.max_length, context)
    for row in read_preferences(folder):
        count += 1
        ctx.check_stop()
        name = f"{row.source} row {row.row}"
        chosen, rejected = (
            encode((*row.prompt, Message("assistant", answer)), tokenizer, name=name)
            for answer in (row.chosen, row.rejected)
        )
        longest = max(len(chosen.ids), len(rejected.ids))
        if longest > limit and config.too_long == "error":
            raise DataError(
                f"{name} has {longest} tokens and cannot be aligned on",
                why=f"the limit is {limit}, by align.max_length or the model, and no answer is cut",
                fix=f"set align.max_length to {longest} or more, or align.too_long to 'drop'",
                code="row-too-long",
            )
        if longest > limit:
            dropped[f"length>{limit}"] += 1
        elif chosen.ids == rejected.ids:
            dropped["both answers are the same"] += 1
        else:
            kept.append(Pair(chosen, rejected, row.id))
    ctx.accounting("align: pairs that fit", count, len(kept), dropped)
    return kept


def is_held_out(pair: Pair, share: float) -> bool:
    """Whether the pair validates; a function of its id alone, so it never changes sides."""
    return int(of_bytes(pair.id.encode())[:8], 16) < share * 2**32


def batches(
    pairs: Sequence[Pair], numbers: Sequence[int], *, device: str, max_pairs: int = 0
) -> Iterator[PairBatch]:
    """The pairs with these numbers, in parts that fit one forward pass."""
    lengths = [pairs[number].tokens for number in numbers]
    budget = sum(lengths) if max_pairs else PART_TOKENS
    for group in cut(lengths, max_tokens=budget, max_rows=max_pairs):
        chosen = tuple(numbers[i] for i in group)
        rows = [pairs[n].chosen for n in chosen] + [pairs[n].rejected for n in chosen]
        yield PairBatch(chosen, collate(rows, chosen + chosen, device))


def pair_logps(opened: Trainable, batch: PairBatch) -> tuple[Tensor, Tensor]:
    """Log p(chosen | prompt) and log p(rejected | prompt) in nats, each of shape (B,)."""
    rows = batch.rows
    logps = answer_logps(
        opened.logits(rows), rows.targets_N, rows.row_N, rows=2 * len(batch.numbers)
    )
    chosen_B, rejected_B = logps.chunk(2)
    return chosen_B, rejected_B


def all_logps(opened: Trainable, pairs: Sequence[Pair], ctx: Context, label: str) -> Tensor:
    """(pairs, 2): log p of chosen and rejected with the weights as they are, without dropout."""
    found = torch.zeros(len(pairs), 2)
    done = 0
    opened.model.eval()
    with torch.no_grad():
        for batch in batches(pairs, range(len(pairs)), device=opened.device):
            chosen_B, rejected_B = pair_logps(opened, batch)
            found[list(batch.numbers)] = torch.stack([chosen_B, rejected_B], dim=1).float().cpu()
            done += len(batch.numbers)
            ctx.progress(done, len(pairs), "pair", label=label)
    opened.model.train()
    return found


def reference(opened: Trainable, pairs: Sequence[Pair], identity: str, ctx: Context) -> Tensor:
    """`all_logps` of the weights that training starts from; computed once, even after a kill.

    It must be called before the first update and before a checkpoint is loaded.
    """
    kept, note = ctx.keep / "reference.safetensors", ctx.keep / "reference.json"
    if note.exists() and kept.exists():
        body = json.loads(note.read_text(encoding="utf-8"))
        if body == {"identity": identity, "sha256": of_file(kept)}:
            kept_logps: Tensor = load_file(kept)["logps"]
            return kept_logps
    logps = all_logps(opened, pairs, ctx, "reference log-probabilities")
    ctx.keep.mkdir(parents=True, exist_ok=True)
    save_file({"logps": logps}, kept)
    fresh = note.with_suffix(".new")
    fresh.write_text(json.dumps({"identity": identity, "sha256": of_file(kept)}), encoding="utf-8")
    os.replace(fresh, note)
    return logps
