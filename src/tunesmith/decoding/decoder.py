"""Forward passes of a causal language model over a `SlotCache`: prompts, single steps, scores.

Shapes: B rows, T tokens, V vocabulary, D width, N selected positions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

from tunesmith.core.errors import DataError, ModelError
from tunesmith.decoding.cache import Prefix, SlotCache

PROMPT_TOKENS: Final = 2048
"""Most tokens, padding counted, of one forward pass over prompts: bounds its memory."""

_SCORED_POSITIONS: Final = 256
"""Positions whose logits are held at a time: 256 x 49152 float32 are 50 MB."""


class Decoder:
    """Runs ``model`` over rows that come and go. Rows are numbered 0..rows-1 without a gap.

    A ModelError says so when an architecture gives other logits here than in its own forward pass.
    """

    def __init__(self, model: Any) -> None:
        self._body: nn.Module = model.get_decoder()
        self._head: nn.Module = model.get_output_embeddings()
        self._device: torch.device = model.device
        self._cache = SlotCache()
        self.lengths: list[int] = []
        self.context = _context(model.config.get_text_config())
        _check(model, self)

    @property
    def rows(self) -> int:
        """Rows in use."""
        return len(self.lengths)

    @torch.inference_mode()
    def reserve(self, rows: int, tokens: int) -> None:
        """Make room at once for ``rows`` of ``tokens`` each, where both are known."""
        self._cache.reserve(rows, tokens)

    @torch.inference_mode()
    def add(self, prompts: Sequence[Sequence[int]], prefix: Prefix | None = None) -> Tensor:
        """New rows at the end, one for each prompt; logits (B, V) of the token after each.

        A prompt must begin with the tokens of ``prefix``, which are not computed again, and have
        at least one more.
        """
        first, parts = self.rows, []
        for group in _groups(prompts, prefix):
            hidden_BTD = self._read(group, prefix)
            start = prefix.length if prefix else 0
            last_B = torch.tensor([len(ids) - start - 1 for ids in group], device=self._device)
            rows_B = torch.arange(len(group), device=self._device)
            parts.append(self._head(hidden_BTD[rows_B, last_B]))
        assert self.rows == first + len(prompts), "every prompt is a row"
        return torch.cat(parts)

    @torch.inference_mode()
    def step(self, tokens: Sequence[int]) -> Tensor:
        """Append one token to every row; logits (B, V) of the token after it."""
        assert len(tokens) == self.rows, "one token for each row"
        longest = max(self.lengths)
        self._cache.reserve(self.rows, longest + 1)
        lengths_B = torch.tensor(self.lengths, device=self._device)
        self._cache.at_step(lengths_B, longest)
        seen_T = torch.arange(longest + 1, device=self._device)
        hidden_BTD = self._body(
            input_ids=torch.tensor(tokens, device=self._device)[:, None],
            attention_mask=(seen_T[None] <= lengths_B[:, None])[:, None, None],
            position_ids=lengths_B[:, None],
            past_key_values=self._cache,
            use_cache=True,
        ).last_hidden_state
        self.lengths = [length + 1 for length in self.lengths]
        return self._head(hidden_BTD[:, -1])  # type: ignore[no-any-return]  # torch calls are Any

    @torch.inference_mode()
    def remove(self, row: int) -> int:
        """Let a row go; the last row takes its number. The number that was moved."""
        last = self.rows - 1
        if row != last:
            self._cache.move(last, row, self.lengths[last])
            self.lengths[row] = self.lengths[last]
        self.lengths.pop()
        return last

    def begin(self, ids: Sequence[int]) -> Reading:
        """Start to read one prompt in pieces, beside the rows; `Reading.advance` reads the next."""
        if len(ids) > self.context:
            raise _too_long(len(ids), self.context)
        return Reading(self, ids)

    @torch.inference_mode()
    def adopt(self, reading: Reading) -> None:
        """A prompt that has been read to its end becomes the last row."""
        assert reading.is_read, "read the prompt to its end first"
        length = len(reading.ids)
        self._cache.reserve(self.rows + 1, length)
        self._cache.prepare(reading.cache)
        self._cache.paste(reading.cache.cut(0, length), self.rows, 1)
        self.lengths.append(length)

    @torch.inference_mode()
    def prefix(self, ids: Sequence[int]) -> Prefix:
        """Keys and values of tokens that several prompts start with."""
        row = self.rows
        self.add([ids])
        kept = self._cache.cut(row, len(ids))
        self.remove(row)
        return kept

    @torch.inference_mode()
    def logprobs(
        self, rows: Sequence[Sequence[int]], starts: Sequence[int], prefix: Prefix | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """For each row, log p (nats, float32) of its tokens ``starts[i]..`` given those before.

        With them the likeliest token at each of these places.
        """
        done = 0
        for group in _groups(rows, prefix):
            hidden_BTD = self._read(group, prefix)
            offset = prefix.length if prefix else 0
            for row, ids in enumerate(group):
                start = starts[done + row]
                assert start > offset, "a scored token has an unscored one before it"
                hidden_ND = hidden_BTD[row, start - 1 - offset : len(ids) - 1 - offset]
                yield self._score(hidden_ND, torch.tensor(ids[start:], device=self._device))
            for _ in group:
                self.remove(self.rows - 1)
            done += len(group)

    def clear(self) -> None:
        """Let every row and the cache's memory go."""
        self.lengths = []
        self._cache.clear()

    def _read(self, prompts: Sequence[Sequence[int]], prefix: Prefix | None) -> Tensor:
        """Final hidden states (B, T, D) of the tokens after the prefix, padded on the right."""
        start = prefix.length if prefix else 0
        width = max(len(ids) for ids in prompts) - start
        if start + width > self.context:
            raise _too_long(start + width, self.context)
        first = self.rows
        self._cache.reserve(first + len(prompts), start + width)
        if prefix:
            self._cache.paste(prefix, first, len(prompts))
        self._cache.at_prompt(first, len(prompts), start=start, width=width)
        ids_BT = torch.zeros(len(prompts), width, dtype=torch.long)
        for row, ids in enumerate(prompts):
            assert len(ids) > start, "a prompt has at least one token after the prefix"
            ids_BT[row, : len(ids) - start] = torch.tensor(ids[start:])
        hidden_BTD = self._pass(self._cache, ids_BT, start)
        self.lengths += [len(ids) for ids in prompts]
        return hidden_BTD

    def _pass(self, cache: SlotCache, ids_BT: Tensor, start: int) -> Tensor:
        """Final hidden states (B, T, D) of tokens that begin at ``start`` in every row."""
        width = ids_BT.shape[1]
        out: Tensor = self._body(
            input_ids=ids_BT.to(self._device),
            attention_mask=_causal(start, width, self._device) if start else None,
            position_ids=torch.arange(start, start + width, device=self._device)[None],
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        return out

    @torch.inference_mode()
    def _read_piece(self, cache: SlotCache, piece: Sequence[int], start: int) -> Tensor:
        """Logits (V,) after a piece of the prompt that ``cache`` has read up to ``start``."""
        cache.reserve(1, start + len(piece))
        cache.at_prompt(0, 1, start=start, width=len(piece))
        hidden_BTD = self._pass(cache, torch.tensor([list(piece)]), start)
        return self._head(hidden_BTD[:, -1])[0]  # type: ignore[no-any-return]  # torch calls are Any

    def _score(self, hidden_ND: Tensor, tokens_N: Tensor) -> tuple[Tensor, Tensor]:
        logprobs, likeliest = [], []
        for at in range(0, len(tokens_N), _SCORED_POSITIONS):
            logits_NV = self._head(hidden_ND[at : at + _SCORED_POSITIONS]).float()
            chosen_N = tokens_N[at : at + _SCORED_POSITIONS]
            logprobs.append(-nn.functional.cross_entropy(logits_NV, chosen_N, reduction="none"))
            likeliest.append(logits_NV.argmax(dim=-1))
        assert logprobs, "a scored row has at least one token to score"
        return torch.cat(logprobs), torch.cat(likeliest)


class Reading:
    """One prompt that is read piece by piece, so that other rows can step in between."""

    def __init__(self, decoder: Decoder, ids: Sequence[int]) -> None:
        self._decoder = decoder
        self.ids = ids
        self.cache = SlotCache()
        self.done = 0

    @property
    def is_read(self) -> bool:
        """Whether every token has been read."""
        return self.done == len(self.ids)

    def advance(self, tokens: int) -> Tensor | None:
        """Read at most ``tokens`` more; logits (V,) of the token after the prompt once it is read."""
        piece = self.ids[self.done : self.done + tokens]
        logits_V = self._decoder._read_piece(self.cache, piece, self.done)
        self.done += len(piece)
        return logits_V if self.is_read else None


def _groups(
    prompts: Sequence[Sequence[int]], prefix: Prefix | None
) -> Iterator[Sequence[Sequence[int]]]:
    """Cut prompts, in their order, so that a padded pass keeps within PROMPT_TOKENS."""
    start = prefix.length if prefix else 0
    first, width = 0, 0
    for at, ids in enumerate(prompts):
        width = max(width, len(ids) - start)
        if at > first and (at - first + 1) * width > PROMPT_TOKENS:
            yield prompts[first:at]
            first, width = at, len(ids) - start
    if first < len(prompts):
        yield prompts[first:]


def _causal(start: int, width: int, device: torch.device) -> Tensor:
    """Mask (1, 1, width, start + width): token i sees the prefix and tokens 0..i."""
    whole = torch.ones(width, start + width, dtype=torch.bool, device=device)
    return whole.tril(start)[None, None]


def _context(config: Any) -> int:
    """Most tokens of a row. A sliding window bounds it: within the window all attention is full."""
    limits = [config.max_position_embeddings, getattr(config, "sliding_window", None)]
    return min(int(limit) for limit in limits if limit)


@torch.inference_mode()
def _check(model: Any, decoder: Decoder) -> None:
    """Compare prefix, prompt and step with the model's own forward pass on a few tokens."""
    # from the middle of the vocabulary: the first ids are special tokens, some never trained, whose
    # states are so large that rounding alone changes the logits
    size = model.config.get_text_config().vocab_size
    ids = [(size // 3 + 37 * at) % size for at in range(8)]
    whole_TV = model(torch.tensor([ids], device=model.device)).logits[0].float()
    prefix = decoder.prefix(ids[:3])
    here = [decoder.add([ids[:6]], prefix), decoder.step(ids[6:7]), decoder.step(ids[7:8])]
    decoder.clear()
    difference = (torch.cat(here).float() - whole_TV[5:]).std() / whole_TV[5:].std()
    if not difference < _TOLERANCE[model.dtype]:
        raise ModelError(
            f"{type(model).__name__} gives other logits in tunesmith's decoder than by itself",
            why=f"they differ by {difference:.2g} of their spread, so answers would be wrong",
            fix="serve this architecture with llama.cpp or vLLM; report the model's name to us",
            code="engine-architecture",
        )


_TOLERANCE: Final = {
    torch.float64: 1e-6,
    torch.float32: 1e-3,
    torch.float16: 0.05,
    torch.bfloat16: 0.15,
}
"""Share of the logits' spread that rounding explains; 8-bit weights in bfloat16 gave 0.07."""


def _too_long(tokens: int, context: int) -> DataError:
    return DataError(
        f"a prompt has {tokens} tokens and the model reads at most {context}",
        why="cutting it would answer another question",
        fix="shorten the prompt, use fewer examples, or choose a model with a longer context",
        code="prompt-too-long",
    )
