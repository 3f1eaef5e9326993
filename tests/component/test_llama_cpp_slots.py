"""The server's slots over llama.cpp: bounded queue, clients that leave, closing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tunesmith.core.config import Resources
from tunesmith.core.errors import DataError
from tunesmith.integrations.gguf import write_gguf
from tunesmith.integrations.llama_cpp import LlamaCppEngine
from tunesmith.ports import Sampling
from tunesmith.records.conversation import Message
from tunesmith.serve.gguf_backend import LlamaCppBackend
from tunesmith.serve.job import Busy, End, Failed, Job, Piece, Told

ASKED = [Message("user", "Hello there")]


@pytest.fixture
def backend(tiny_folder: Path, tmp_path: Path) -> Iterator[LlamaCppBackend]:
    write_gguf(tiny_folder, tmp_path / "tiny.gguf", form="f16")
    resources = Resources(generate_batch=1, threads=1, device="cpu")
    engine = LlamaCppEngine(tmp_path / "tiny.gguf", resources=resources, context=8192)
    running = LlamaCppBackend(engine, queue=1)
    yield running
    running.close()


def _job(backend: LlamaCppBackend, new_tokens: int) -> tuple[Job, list[Told]]:
    told: list[Told] = []
    prepared = backend.prepare(ASKED)
    sampling = Sampling(max_new_tokens=new_tokens)
    return Job(prepared.prompt, prepared.tokens, sampling, told.append), told


def _until(fact: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not fact():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.005)


def test_pieces_join_to_the_answer_and_the_end_counts_them(backend: LlamaCppBackend) -> None:
    job, told = _job(backend, 8)
    backend.submit(job)
    _until(lambda: bool(told) and isinstance(told[-1], End))
    end = told[-1]
    assert isinstance(end, End)
    assert end.completion_tokens <= 8
    assert all(isinstance(one, Piece) for one in told[:-1])
    assert job.started_at is not None
    assert job.first_token_at is not None
    assert job.queued_at <= job.started_at <= job.first_token_at


def test_the_queue_is_bounded_and_clients_that_leave_free_it(backend: LlamaCppBackend) -> None:
    first, told = _job(backend, 4000)
    second, _ = _job(backend, 4000)
    backend.submit(first)
    backend.submit(second)
    with pytest.raises(Busy):
        backend.submit(_job(backend, 4)[0])
    _until(lambda: len(told) > 1)
    assert backend.load() == (1, 1)
    first.cancel()
    second.cancel()
    _until(lambda: backend.load() == (0, 0))
    assert second.first_token_at is None
    assert len(told) < 3000


def test_closing_tells_running_jobs_that_they_failed(backend: LlamaCppBackend) -> None:
    job, told = _job(backend, 4000)
    backend.submit(job)
    _until(lambda: len(told) > 1)
    backend.close()
    assert isinstance(told[-1], Failed)


def test_a_prompt_that_does_not_fit_a_slot_is_refused(backend: LlamaCppBackend) -> None:
    with pytest.raises(DataError, match="a slot reads 1024"):
        backend.prepare([Message("user", "x" * 20_000)])
