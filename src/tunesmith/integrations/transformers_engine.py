"""Generates and scores with PyTorch: one model, rows decoded together, common beginnings once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch

from tunesmith.core.config import Resources
from tunesmith.core.errors import ModelError
from tunesmith.decoding.batch import Batch, Request, request
from tunesmith.decoding.cache import Prefix
from tunesmith.decoding.decoder import Decoder
from tunesmith.decoding.packed import pack_linears
from tunesmith.ports import AnswerLogProb, Completion, Sampling
from tunesmith.records.conversation import Message
from tunesmith.tokens.chat import encode, encode_prompt, render

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SHORTEST_PREFIX: Final = 16
"""A shorter common beginning is read again: the masked pass costs more than it saves."""


class TransformersEngine:
    """Decodes with our own loop over a Transformers model; `tunesmith.ports.Engine`.

    An adapter is merged into the weights, so what is evaluated is what is exported and served.
    Rows join the batch when others finish; the order and number of rows change no answer beyond
    the rounding of the number format.
    """

    name = "transformers"

    def __init__(self, model: Path, tuned: Path | None = None, *, resources: Resources) -> None:
        from tunesmith.integrations.transformers import load_tokenizer, load_tuned

        if resources.threads:
            torch.set_num_threads(resources.threads)
        device = choose_device(resources.device)
        self.tokenizer = load_tokenizer(model)
        loaded = load_tuned(model, tuned, dtype=choose_dtype(device), device=device)
        pack_linears(loaded)
        self._batch_rows = resources.generate_batch
        self._open(loaded)

    @classmethod
    def of(
        cls, model: Any, tokenizer: PreTrainedTokenizerBase, *, generate_batch: int = 8
    ) -> TransformersEngine:
        """An engine on a model that is already in memory, in whatever number format it has."""
        engine = cls.__new__(cls)
        engine.tokenizer = tokenizer
        engine._batch_rows = generate_batch
        engine._open(model)
        return engine

    def _open(self, model: Any) -> None:
        self.decoder = Decoder(model)
        self.end_ids = _end_ids(model, self.tokenizer)

    def generate(
        self, prompts: Sequence[Sequence[Message]], sampling: Sampling
    ) -> Iterator[Completion]:
        """One completion for each prompt, in the order of the prompts, as they become ready.

        Row i draws from its own random stream, named by ``sampling.seed`` and i.
        """
        ids = [self.prompt_ids(prompt) for prompt in prompts]
        prefix = self._prefix(ids)
        rows = {i: request(row, sampling, self.tokenizer, row=i) for i, row in enumerate(ids)}
        self._reserve(ids, sampling.max_new_tokens)
        done: dict[int, Completion] = {}
        number = {id(one): i for i, one in rows.items()}
        shown = 0
        try:
            for one in self._finished(list(rows.values()), prefix):
                done[number[id(one)]] = one.completion
                while shown in done:
                    yield done.pop(shown)
                    shown += 1
        finally:
            # also when the caller stops early
            self.decoder.clear()

    def score(self, rows: Sequence[Sequence[Message]]) -> Iterator[AnswerLogProb]:
        """For each row, log p(last message | those before), the end-of-turn token included."""
        spans = [self.answer_span(row) for row in rows]
        ids = [whole for whole, _ in spans]
        starts = [start for _, start in spans]
        prefix = self._prefix([whole[:start] for whole, start in spans])
        order = sorted(range(len(rows)), key=lambda i: len(ids[i]))
        found: dict[int, AnswerLogProb] = {}
        shown = 0
        scored = self.decoder.logprobs([ids[i] for i in order], [starts[i] for i in order], prefix)
        try:
            for i, (logprobs_T, likeliest_T) in zip(order, scored, strict=True):
                total = float(logprobs_T.double().sum())
                found[i] = AnswerLogProb(total, len(logprobs_T), tuple(likeliest_T.tolist()))
                while shown in found:
                    yield found.pop(shown)
                    shown += 1
        finally:
            self.decoder.clear()

    def close(self) -> None:
        """Free the memory; the engine is not used afterwards."""
        self.decoder.clear()
        del self.decoder

    def prompt_ids(self, prompt: Sequence[Message]) -> list[int]:
        """Tokens of a prompt, up to where the assistant's answer begins."""
        return encode_prompt(prompt, self.tokenizer)

    def answer_span(self, row: Sequence[Message]) -> tuple[list[int], int]:
        """Tokens of a row up to the end of its answer, and where the answer begins."""
        encoded = encode(row, self.tokenizer)
        return list(encoded.ids), encoded.is_label.index(True)

    def _prefix(self, ids: Sequence[list[int]]) -> Prefix | None:
        """The common beginning of all prompts, read once, where that is worth it."""
        length = common_length(ids)
        if len(ids) < 2 or length < _SHORTEST_PREFIX:
            return None
        return self.decoder.prefix(ids[0][:length])

    def _reserve(self, ids: Sequence[Sequence[int]], new_tokens: int) -> None:
        if ids:
            tokens = min(max(map(len, ids)) + new_tokens, self.decoder.context)
            self.decoder.reserve(min(self._batch_rows, len(ids)), tokens)

    def _finished(self, rows: list[Request], prefix: Prefix | None) -> Iterator[Request]:
        """Every request as it finishes. Longest prompts first, so neighbours have like lengths."""
        waiting = sorted(rows, key=lambda one: len(one.ids))
        batch = Batch(self.decoder, end_ids=self.end_ids)
        # reading a few prompts together is cheaper than one by one, waiting for many is not
        group = max(1, self._batch_rows // 4)
        while waiting or batch.requests:
            free = self._batch_rows - len(batch.requests)
            if waiting and (free >= min(group, len(waiting)) or not batch.requests):
                taken = [waiting.pop() for _ in range(min(free, len(waiting)))]
                yield from batch.admit(taken, prefix)
            yield from batch.step()


def common_length(ids: Sequence[list[int]]) -> int:
    """Tokens that all rows begin with; at least one token of each row is left over."""
    if not ids:
        return 0
    # in sorted order the first and the last row differ earliest
    low, high = min(ids), max(ids)
    limit = min(map(len, ids)) - 1
    return next((i for i in range(limit) if low[i] != high[i]), max(limit, 0))


def choose_device(wanted: str) -> str:
    """``cpu`` or ``cuda``; ``auto`` takes the GPU where there is one."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ModelError(
            "device is `cuda` and PyTorch sees no GPU",
            why="the driver is missing, or this is PyTorch's build for CPUs",
            fix="set resources.device to `auto`, or install PyTorch's CUDA build",
            code="no-gpu",
        )
    return wanted


def choose_dtype(device: str) -> torch.dtype:
    """bfloat16 where the processor multiplies it in hardware, else float32."""
    if device == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    has_bf16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if has_bf16 else torch.float32


def _end_ids(model: Any, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Tokens that end a turn: the tokenizer's, the model's, and the one the template writes."""
    found: set[int] = set()
    for value in (tokenizer.eos_token_id, getattr(model.generation_config, "eos_token_id", None)):
        if value is not None:
            found.update([value] if isinstance(value, int) else value)
    turns = [Message("user", "x"), Message("assistant", "ANSWER")]
    text = render(turns, tokenizer, for_answer=False)
    after = tokenizer.encode(text.rpartition("ANSWER")[2], add_special_tokens=False)
    if after and after[0] in tokenizer.all_special_ids:
        found.add(after[0])
    return frozenset(found)
