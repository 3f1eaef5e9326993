"""Slots over llama.cpp: its own batching, our bounded queue."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tunesmith.core.errors import DataError
from tunesmith.integrations.llama_cpp import LlamaCppEngine
from tunesmith.records.conversation import Message
from tunesmith.serve.job import Busy, End, Failed, Job, Piece, Prepared

_LOG = logging.getLogger(__name__)


class LlamaCppBackend:
    """One thread for each slot of a `LlamaCppEngine`; `tunesmith.serve.job.Backend`.

    A client that leaves ends its connection to llama.cpp, which then frees the slot, also while
    the prompt is read.
    """

    engine = "llama.cpp"

    def __init__(self, engine: LlamaCppEngine, *, queue: int) -> None:
        self._engine = engine
        self._most = engine.slots + queue
        self._pool = ThreadPoolExecutor(engine.slots, thread_name_prefix="tunesmith-slot")
        self._lock = threading.Lock()
        self._held: set[Job] = set()
        self._running = 0
        self._pace = 1.0
        self._stopping = False

    def prepare(self, messages: Sequence[Message]) -> Prepared:
        """The prompt's text; DataError when no new token would fit after it."""
        text = self._engine.render(messages)
        tokens = len(self._engine.tokenize(text))
        if tokens >= self._engine.context:
            raise DataError(
                f"the prompt has {tokens} tokens and a slot reads {self._engine.context}",
                why="prompt and answer together must fit a slot",
                fix="shorten the messages, or give the server a larger context",
                code="prompt-too-long",
            )
        return Prepared(text, tokens)

    def submit(self, job: Job) -> None:
        """Take a job on, or raise Busy at once."""
        with self._lock:
            ahead = len(self._held)
            if ahead >= self._most:
                waiting = ahead + 1 - self._engine.slots
                raise Busy(max(1, round(self._pace * waiting / self._engine.slots)))
            self._held.add(job)
        self._pool.submit(self._serve, job)

    def load(self) -> tuple[int, int]:
        """(jobs in slots, jobs in the queue)."""
        with self._lock:
            return self._running, len(self._held) - self._running

    def close(self) -> None:
        """Stop the threads and free the memory; jobs that are still here are told that they failed."""
        self._stopping = True
        with self._lock:
            held = list(self._held)
        for job in held:
            job.cancel()
        self._pool.shutdown(wait=True)
        self._engine.close()

    def _serve(self, job: Job) -> None:
        with self._lock:
            self._running += 1
        job.started_at = time.time()
        try:
            if self._stopping:
                job.tell(Failed("the server stopped"))
            elif not job.is_cancelled:
                self._complete(job)
        except Exception as error:
            # the client gets an error of its own, the other slots go on
            _LOG.exception("a request failed")
            job.tell(Failed(repr(error)))
        finally:
            with self._lock:
                self._running -= 1
                self._held.discard(job)
                self._pace += 0.2 * (time.time() - job.started_at - self._pace)

    def _complete(self, job: Job) -> None:
        reply = self._engine.stream(job.prompt, job.sampling)
        job.on_cancel(reply.abort)
        for chunk in reply:
            if job.first_token_at is None:
                job.first_token_at = time.time()
            for told in _read(chunk):
                job.tell(told)
        if self._stopping:
            job.tell(Failed("the server stopped"))


def _read(chunk: Mapping[str, Any]) -> list[Piece | End | Failed]:
    """What one chunk of llama.cpp says."""
    if "error" in chunk:
        return [Failed(str(chunk["error"]))]
    told: list[Piece | End | Failed] = []
    choices = chunk.get("choices") or []
    if choices and choices[0].get("text"):
        told.append(Piece(choices[0]["text"]))
    usage = chunk.get("usage")
    if usage and choices:
        reason = choices[0].get("finish_reason")
        told.append(End("stop" if reason == "stop" else "length", usage["completion_tokens"]))
    return told
