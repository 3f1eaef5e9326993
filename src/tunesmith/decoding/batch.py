"""Requests that share a decoder: they join when a row is free and leave when they are finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from torch import Tensor

from tunesmith.core import seeds
from tunesmith.decoding.cache import Prefix
from tunesmith.decoding.choose import choose
from tunesmith.decoding.decoder import Decoder, Reading
from tunesmith.decoding.text import Detokenizer, GrowingText
from tunesmith.ports import Completion, Sampling


@dataclass(slots=True, eq=False)
class Request:
    """One prompt on its way: its tokens, and what has been generated so far."""

    ids: Sequence[int]
    sampling: Sampling
    stream: Random
    text: GrowingText
    tokens: list[int] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    finish_reason: Literal["stop", "length"] | None = None

    @property
    def completion(self) -> Completion:
        """The answer so far; the end token is counted and not shown."""
        return Completion(
            text="".join(self.pieces),
            prompt_tokens=len(self.ids),
            completion_tokens=len(self.tokens),
            finish_reason=self.finish_reason or "length",
        )


def request(
    ids: Sequence[int], sampling: Sampling, tokenizer: Detokenizer, *, row: int = 0
) -> Request:
    """A request whose random stream depends on the sampling seed and its row number only."""
    stream = seeds.stream(sampling.seed, f"row {row}")
    return Request(ids, sampling, stream, GrowingText(tokenizer, sampling.stop))


class Batch:
    """Decodes the requests it holds, one token for each in a step."""

    def __init__(self, decoder: Decoder, *, end_ids: frozenset[int]) -> None:
        self._decoder = decoder
        self._end_ids = end_ids
        self.requests: list[Request] = []

    def admit(self, requests: Sequence[Request], prefix: Prefix | None = None) -> list[Request]:
        """Read new prompts and choose the first token of each; those already finished."""
        if not requests:
            return []
        logits_BV = self._decoder.add([one.ids for one in requests], prefix)
        self.requests += requests
        chosen = choose(logits_BV, [(one.sampling, one.stream) for one in requests])
        return self._take(list(requests), chosen)

    def adopt(self, one: Request, reading: Reading, logits_V: Tensor) -> list[Request]:
        """Take in a prompt that was read piece by piece; the request itself if it is now finished."""
        self._decoder.adopt(reading)
        self.requests.append(one)
        return self._take([one], choose(logits_V[None], [(one.sampling, one.stream)]))

    def step(self) -> list[Request]:
        """One more token for every request; those that are now finished, which have left."""
        if not self.requests:
            return []
        logits_BV = self._decoder.step([one.tokens[-1] for one in self.requests])
        chosen = choose(logits_BV, [(one.sampling, one.stream) for one in self.requests])
        return self._take(list(self.requests), chosen)

    def drop(self, leaving: Request) -> None:
        """Free the row of a request, finished or not."""
        row = self.requests.index(leaving)
        self._decoder.remove(row)
        last = self.requests.pop()
        if last is not leaving:
            self.requests[row] = last

    def _take(self, requests: list[Request], chosen: list[int]) -> list[Request]:
        finished = []
        for one, token in zip(requests, chosen, strict=True):
            self._append(one, token)
            if one.finish_reason is not None:
                self.drop(one)
                finished.append(one)
        return finished

    def _append(self, one: Request, token: int) -> None:
        one.tokens.append(token)
        if token in self._end_ids:
            one.finish_reason = "stop"
        else:
            one.pieces.append(one.text.push(token))
            if one.text.stopped:
                one.finish_reason = "stop"
            elif (
                len(one.tokens) >= one.sampling.max_new_tokens
                or len(one.ids) + len(one.tokens) >= self._decoder.context
            ):
                one.finish_reason = "length"
        if one.finish_reason is not None:
            one.pieces.append(one.text.finish())
