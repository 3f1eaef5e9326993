"""Dynamic batching: one thread that reads prompts in pieces and steps all running rows together.

Each turn of the loop frees the slots of clients that left, reads one piece of the oldest waiting
prompt, and appends one token to every running row. So a long prompt never holds up a running answer
for longer than one piece, and a client that leaves frees its slot within one turn, in the queue, in
the prompt and while decoding.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tunesmith.core.errors import DataError
from tunesmith.decoding.batch import Batch, Request, request
from tunesmith.decoding.decoder import Reading
from tunesmith.integrations.transformers_engine import TransformersEngine
from tunesmith.records.conversation import Message
from tunesmith.serve.job import Busy, End, Failed, Job, Piece, Prepared

_LOG = logging.getLogger(__name__)

PIECE_TOKENS: Final = 256
"""Tokens of a prompt read between two steps: a quarter of a second on two CPU cores for a 135M model."""


@dataclass(slots=True, eq=False)
class _Row:
    """A job with its request; ``shown`` pieces have been told to the client."""

    job: Job
    request: Request
    shown: int = 0


class TransformersBackend:
    """Slots over a `TransformersEngine`; `tunesmith.serve.job.Backend`."""

    engine = "transformers"

    def __init__(self, engine: TransformersEngine, *, slots: int, queue: int) -> None:
        self._engine = engine
        self._slots = slots
        self._most = slots + queue
        self._batch = Batch(engine.decoder, end_ids=engine.end_ids)
        self._waiting: deque[Job] = deque()
        self._reading: tuple[_Row, Reading] | None = None
        self._rows: dict[Request, _Row] = {}
        self._wake = threading.Condition()
        self._stopping = False
        self._pace = 1.0
        self._thread = threading.Thread(target=self._run, name="tunesmith-batching", daemon=True)
        self._thread.start()

    def prepare(self, messages: Sequence[Message]) -> Prepared:
        """Token ids of the prompt; DataError when no new token would fit after them."""
        ids = self._engine.prompt_ids(messages)
        context = self._engine.decoder.context
        if len(ids) >= context:
            raise DataError(
                f"the prompt has {len(ids)} tokens and the model reads {context}",
                why="prompt and answer together must fit the model's context",
                fix="shorten the messages",
                code="prompt-too-long",
            )
        return Prepared(ids, len(ids))

    def submit(self, job: Job) -> None:
        """Take a job on, or raise Busy at once."""
        with self._wake:
            ahead = self._held()
            if ahead >= self._most:
                raise Busy(max(1, round(self._pace * (ahead + 1 - self._slots) / self._slots)))
            self._waiting.append(job)
            self._wake.notify()

    def load(self) -> tuple[int, int]:
        """(jobs in slots, jobs in the queue)."""
        with self._wake:
            return self._held() - len(self._waiting), len(self._waiting)

    def close(self) -> None:
        """Stop the thread and free the memory; jobs that are still here are told that they failed."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join()
        self._engine.close()

    def _held(self) -> int:
        return len(self._waiting) + len(self._rows) + (self._reading is not None)

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._stopping and self._held() == 0:
                    self._wake.wait()
                if self._stopping:
                    break
            try:
                self._turn()
            except Exception as error:
                # one bad request must not end the thread that serves all the others
                _LOG.exception("a step failed; its requests are dropped")
                self._drop_all(repr(error))
        self._drop_all("the server stopped")

    def _turn(self) -> None:
        self._free_left()
        self._read_piece()
        for one in self._batch.step():
            self._finish(one)
        for row in self._rows.values():
            self._show(row)

    def _free_left(self) -> None:
        """Let go of every job whose client has left."""
        with self._wake:
            self._waiting = deque(job for job in self._waiting if not job.is_cancelled)
            if self._reading and self._reading[0].job.is_cancelled:
                self._reading = None
            for one in [one for one, row in self._rows.items() if row.job.is_cancelled]:
                self._batch.drop(one)
                del self._rows[one]

    def _read_piece(self) -> None:
        if self._reading is None:
            self._reading = self._next()
        if self._reading is None:
            return
        row, reading = self._reading
        logits_V = reading.advance(PIECE_TOKENS)
        if logits_V is None:
            return
        with self._wake:
            self._reading = None
            self._rows[row.request] = row
        row.job.first_token_at = time.time()
        for one in self._batch.adopt(row.request, reading, logits_V):
            self._finish(one)

    def _next(self) -> tuple[_Row, Reading] | None:
        """The oldest waiting job, when a slot is free for it."""
        with self._wake:
            if not self._waiting or len(self._rows) >= self._slots:
                return None
            job = self._waiting.popleft()
            job.started_at = time.time()
            one = request(job.prompt, job.sampling, self._engine.tokenizer)
            self._reading = (_Row(job, one), self._engine.decoder.begin(job.prompt))
            return self._reading

    def _show(self, row: _Row) -> None:
        text = "".join(row.request.pieces[row.shown :])
        row.shown = len(row.request.pieces)
        if text:
            row.job.tell(Piece(text))

    def _finish(self, one: Request) -> None:
        with self._wake:
            row = self._rows.pop(one)
        self._show(row)
        assert one.finish_reason is not None, "a finished request has a reason"
        row.job.tell(End(one.finish_reason, len(one.tokens)))
        seconds = time.time() - (row.job.started_at or row.job.queued_at)
        self._pace += 0.2 * (seconds - self._pace)

    def _drop_all(self, why: str) -> None:
        with self._wake:
            rows = [*self._rows.values(), *([self._reading[0]] if self._reading else [])]
            jobs = [row.job for row in rows] + (list(self._waiting) if self._stopping else [])
            self._rows, self._reading = {}, None
            if self._stopping:
                self._waiting.clear()
        self._batch = Batch(self._engine.decoder, end_ids=self._engine.end_ids)
        self._engine.decoder.clear()
        for job in jobs:
            job.tell(Failed(why))
