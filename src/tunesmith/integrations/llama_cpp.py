"""Generates and scores with llama.cpp inside this process (package xllamacpp), from one GGUF file.

llama.cpp's own tokenizer and its own copy of the chat template are used, so that what is measured
here is what any other program gets from the file.
"""

from __future__ import annotations

import json
import os
import queue
import secrets
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import psutil

from tunesmith.core import seeds
from tunesmith.core.config import Resources
from tunesmith.core.errors import DataError, ModelError
from tunesmith.core.extras import require
from tunesmith.ports import AnswerLogProb, Completion, Sampling
from tunesmith.records.conversation import Message

_CERTAIN: Final = 1e6
"""A bias that makes llama.cpp choose a given token; the reported probability is without it."""

_SECONDS: Final = 30


class LlamaCppEngine:
    """llama.cpp with one slot for each row decoded together; `tunesmith.ports.Engine`.

    ``context`` is the most tokens of one row, prompt and answer together. ``reuse`` keeps what a
    slot has read, so that a prompt with the same beginning starts there; speed is measured without.
    """

    name = "llama.cpp"

    def __init__(
        self, gguf: Path, *, resources: Resources, context: int = 2048, reuse: bool = True
    ) -> None:
        library = require("xllamacpp", extra="gguf", needed_for="running a GGUF file")
        if not gguf.is_file():
            raise ModelError(
                f"there is no GGUF file {gguf}",
                why="llama.cpp reads a model from one GGUF file",
                fix="check the path, or make the file with `tunesmith compress`",
                code="model-missing",
            )
        self.context = context
        self.reuse = reuse
        self.slots = resources.generate_batch
        self._key = secrets.token_hex(16)
        params = self._params(library, gguf, resources)
        try:
            self._server = library.Server(params)
        except Exception as error:  # the binding passes whatever C++ threw
            raise ModelError(
                f"llama.cpp cannot load {gguf}: {error}",
                why="the file is damaged, or made for a newer llama.cpp",
                fix="make the file again, or update the package xllamacpp",
                code="gguf-unreadable",
            ) from error

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

    def stream(
        self, prompt: str, sampling: Sampling, on_piece: Callable[[Mapping[str, Any]], bool]
    ) -> None:
        """Complete a rendered prompt; ``on_piece`` gets each chunk and returns True to stop."""
        body = {**self._request(prompt, sampling, 0), "stream": True}
        self._server.handle_completions(
            {**body, "stream_options": {"include_usage": True}}, on_piece
        )

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt as the file's own chat template writes it, ready for an answer."""
        turns = [{"role": one.role, "content": one.content} for one in messages]
        return str(self._post("/apply-template", {"messages": turns})["prompt"])

    def tokenize(self, text: str) -> list[int]:
        """Token ids of a text, special tokens recognised, nothing added."""
        body = {"content": text, "add_special": False, "parse_special": True}
        return [int(i) for i in self._post("/tokenize", body)["tokens"]]

    def close(self) -> None:
        """Free the memory; the engine is not used afterwards."""
        # A server that is freed before its loop has begun waits for that loop for ever.
        self.tokenize("x")
        del self._server

    def _complete(self, prompt: str, sampling: Sampling, row: int) -> Completion:
        body = self._server.handle_completions(self._request(prompt, sampling, row))
        choice = _checked(body)["choices"][0]
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
            body = _checked(
                self._server.handle_completions({
                    "prompt": prompt + answer[:i], "n_predict": 1, "temperature": 0.0,
                    "n_probs": 1, "logit_bias": [[token, _CERTAIN]], "id_slot": slot,
                })
            )  # fmt: skip
            told = body["choices"][0]["logprobs"]["content"][0]
            total += float(told["logprob"])
            likeliest.append(int(told["top_logprobs"][0]["id"]))
        return AnswerLogProb(total, len(answer), tuple(likeliest))

    def _turn_end(self) -> str:
        """What the template writes between an answer and the white space after its turn."""
        mark = "ANSWER"
        turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": mark}]
        body = {"messages": [*turns, {"role": "user", "content": "y"}]}
        after = str(self._post("/apply-template", body)["prompt"]).rpartition(mark)[2]
        return after.split("\n", 1)[0] if after.strip() else ""

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            self._server.listening_address + path,
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"},
        )
        # no proxy: the address is this process
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_SECONDS) as reply:
            return _checked(json.loads(reply.read()))

    def _params(self, library: Any, gguf: Path, resources: Resources) -> Any:
        params = library.CommonParams()
        params.model.path = str(gguf)
        params.n_parallel = self.slots
        params.n_ctx = self.context * self.slots
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = _threads(resources)
        params.n_gpu_layers = 0 if resources.device == "cpu" else params.n_gpu_layers
        # the library opens a port of its own: on this machine only, with a key nobody knows
        params.hostnames = ["127.0.0.1"]
        params.api_keys = [self._key]
        params.ui = params.endpoint_slots = params.endpoint_props = False
        params.warmup = False
        params.verbosity = 0
        params.cache_ram_mib = 0
        return params


def _threads(resources: Resources) -> int:
    """Threads asked for, else OMP_NUM_THREADS, else the physical cores."""
    asked = resources.threads or int(os.environ.get("OMP_NUM_THREADS") or 0)
    return asked or psutil.cpu_count(logical=False) or 1


def _checked(body: Any) -> dict[str, Any]:
    """The reply, or llama.cpp's refusal as our error."""
    if isinstance(body, dict) and "error" not in body:
        return body
    message = body["error"].get("message", body) if isinstance(body, dict) else body
    raise DataError(
        f"llama.cpp refused a request: {message}",
        why="most often the prompt is longer than the context of a slot",
        fix="give the engine a larger context, or shorten the prompt",
        code="llama-cpp-refused",
    )
