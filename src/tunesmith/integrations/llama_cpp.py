"""Generates and scores with llama.cpp (package xllamacpp) in a process beside this one, from one GGUF file.

llama.cpp's own tokenizer and its own copy of the chat template are used, so that what is measured
here is what any other program gets from the file.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import psutil

from tunesmith.core import seeds
from tunesmith.core.config import Resources
from tunesmith.core.errors import DataError, ModelError
from tunesmith.core.extras import require
from tunesmith.integrations.llama_cpp_process import LlamaCppProcess, Reply, Settings
from tunesmith.ports import AnswerLogProb, Completion, Sampling
from tunesmith.records.conversation import Message

_COMPLETIONS: Final = "/v1/completions"
_CERTAIN: Final = 1e6
"""A bias that makes llama.cpp choose a given token; the reported probability is without it."""


class LlamaCppEngine:
    """llama.cpp with one slot for each row decoded together; `tunesmith.ports.Engine`.

    ``context`` is the most tokens of one row, prompt and answer together, and never more than the
    model was trained on. ``reuse`` keeps what a
    slot has read, so that a prompt with the same beginning starts there; speed is measured without.
    """

    name = "llama.cpp"

    def __init__(
        self, gguf: Path, *, resources: Resources, context: int = 2048, reuse: bool = True
    ) -> None:
        require("xllamacpp", extra="gguf", needed_for="running a GGUF file")
        if not gguf.is_file():
            raise ModelError(
                f"there is no GGUF file {gguf}",
                why="llama.cpp reads a model from one GGUF file",
                fix="check the path, or make the file with `tunesmith compress`",
                code="model-missing",
            )
        self.reuse = reuse
        self.slots = resources.generate_batch
        self._process = LlamaCppProcess(
            Settings(
                str(gguf), slots=self.slots, context=context, threads=_threads(resources),
                gpu=resources.device != "cpu",
            )
        )  # fmt: skip
        # less than was asked for when the model was trained on less
        self.context = int(self._process.get("/v1/models")["data"][0]["meta"]["n_ctx"])

    @property
    def pid(self) -> int:
        """The number of llama.cpp's process."""
        return self._process.pid

    def generate(
        self, prompts: Sequence[Sequence[Message]], sampling: Sampling
    ) -> Iterator[Completion]:
        """One completion for each prompt, in the order of the prompts.

        Row i draws from its own random stream, named by ``sampling.seed`` and i.
        """
        with ThreadPoolExecutor(self.slots) as pool:
            rows = [(self.render(prompt), sampling, i) for i, prompt in enumerate(prompts)]
            yield from pool.map(lambda row: self._complete(*row), rows)

    def score(self, rows: Sequence[Sequence[Message]]) -> Iterator[AnswerLogProb]:
        """For each row, log p(last message | those before), the end-of-turn token included.

        One request for each token of an answer: the token is forced, and the probability that the
        model gives it by itself is read. The slot keeps what it has read, so only one token is new.
        """
        free: queue.SimpleQueue[int] = queue.SimpleQueue()
        for slot in range(self.slots):
            free.put(slot)

        def scored(row: Sequence[Message]) -> AnswerLogProb:
            slot = free.get()
            try:
                return self._score(row, slot)
            finally:
                free.put(slot)

        with ThreadPoolExecutor(self.slots) as pool:
            yield from pool.map(scored, rows)

    def stream(self, prompt: str, sampling: Sampling) -> Reply:
        """Complete a rendered prompt; the reply gives llama.cpp's chunks as they come."""
        body = {**self._request(prompt, sampling, 0), "stream": True}
        return self._process.stream(
            _COMPLETIONS, {**body, "stream_options": {"include_usage": True}}
        )

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt as the file's own chat template writes it, ready for an answer."""
        turns = [{"role": one.role, "content": one.content} for one in messages]
        return str(self._process.post("/apply-template", {"messages": turns})["prompt"])

    def tokenize(self, text: str) -> list[int]:
        """Token ids of a text, special tokens recognised, nothing added."""
        body = {"content": text, "add_special": False, "parse_special": True}
        return [int(i) for i in self._process.post("/tokenize", body)["tokens"]]

    def close(self) -> None:
        """Free the memory; the engine is not used afterwards."""
        self._process.close()

    def _complete(self, prompt: str, sampling: Sampling, row: int) -> Completion:
        body = self._process.post(_COMPLETIONS, self._request(prompt, sampling, row))
        choice = body["choices"][0]
        return Completion(
            text=choice["text"],
            prompt_tokens=body["usage"]["prompt_tokens"],
            completion_tokens=body["usage"]["completion_tokens"],
            finish_reason="stop" if choice["finish_reason"] == "stop" else "length",
        )

    def _request(self, prompt: str, sampling: Sampling, row: int) -> dict[str, Any]:
        return {
            "prompt": prompt,
            "n_predict": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            # llama.cpp's own defaults would quietly cut the distribution further
            "top_k": 0,
            "min_p": 0.0,
            "cache_prompt": self.reuse,
            "seed": seeds.derive(sampling.seed, f"row {row}") % 2**32,
            "stop": list(sampling.stop),
        }

    def _score(self, row: Sequence[Message], slot: int) -> AnswerLogProb:
        prompt = self.tokenize(self.render(row[:-1]))
        answer = self.tokenize(row[-1].content + self._turn_end())
        if len(prompt) + len(answer) > self.context:
            raise DataError(
                f"a row has {len(prompt) + len(answer)} tokens and a slot {self.context}",
                why="cutting it would score another answer",
                fix="score shorter rows, or give the engine a larger context",
                code="prompt-too-long",
            )
        total, likeliest = 0.0, []
        for i, token in enumerate(answer):
            body = self._process.post(_COMPLETIONS, {
                "prompt": prompt + answer[:i], "n_predict": 1, "temperature": 0.0,
                "n_probs": 1, "logit_bias": [[token, _CERTAIN]], "id_slot": slot,
            })  # fmt: skip
            told = body["choices"][0]["logprobs"]["content"][0]
            total += float(told["logprob"])
            likeliest.append(int(told["top_logprobs"][0]["id"]))
        return AnswerLogProb(total, len(answer), tuple(likeliest))

    def _turn_end(self) -> str:
        """What the template writes between an answer and the white space after its turn."""
        mark = "ANSWER"
        turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": mark}]
        body = {"messages": [*turns, {"role": "user", "content": "y"}]}
        after = str(self._process.post("/apply-template", body)["prompt"]).rpartition(mark)[2]
        return after.split("\n", 1)[0] if after.strip() else ""


def _threads(resources: Resources) -> int:
    """Threads asked for, else OMP_NUM_THREADS, else the physical cores."""
    asked = resources.threads or int(os.environ.get("OMP_NUM_THREADS") or 0)
    return asked or psutil.cpu_count(logical=False) or 1
