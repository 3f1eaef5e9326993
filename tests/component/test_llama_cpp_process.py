"""llama.cpp's own process: how it starts, ends, and frees the slot of a client that leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from tunesmith.core.config import Resources
from tunesmith.core.errors import ModelError
from tunesmith.integrations.gguf import write_gguf
from tunesmith.integrations.llama_cpp import LlamaCppEngine
from tunesmith.ports import Sampling
from tunesmith.records.conversation import Message

ASKED = [Message("user", "Hello there")]
ONE = Resources(generate_batch=1, threads=1, device="cpu")
OPEN_AND_WAIT = """
import sys, time
from pathlib import Path
from tunesmith.core.config import Resources
from tunesmith.integrations.llama_cpp import LlamaCppEngine
resources = Resources(generate_batch=1, threads=1, device="cpu")
engine = LlamaCppEngine(Path(sys.argv[1]), resources=resources, context=512)
print(engine.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def gguf(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    write_gguf(tiny_folder, out, form="f16")
    return out


def _answer_for_ever(engine: LlamaCppEngine) -> None:
    while True:
        _first_answer(engine, 900)


def _first_answer(engine: LlamaCppEngine, new_tokens: int = 4) -> str:
    [one] = engine.generate([ASKED], Sampling(max_new_tokens=new_tokens))
    return one.text


def test_closing_at_once_ends_the_process(gguf: Path) -> None:
    for _ in range(5):
        engine = LlamaCppEngine(gguf, resources=ONE, context=512)
        engine.close()
        assert not psutil.pid_exists(engine.pid)


def test_a_broken_file_is_told_with_its_name(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ModelError, match=r"cannot load .*broken\.gguf") as raised:
        LlamaCppEngine(broken, resources=ONE)
    assert raised.value.code == "gguf-unreadable"


def test_signals_of_the_terminal_pass_it_by(gguf: Path) -> None:
    engine = LlamaCppEngine(gguf, resources=ONE, context=512)
    before = _first_answer(engine)
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(engine.pid, number)
    assert _first_answer(engine) == before
    engine.close()


def test_handlers_of_this_process_stay_as_they_were(gguf: Path) -> None:
    heard: list[int] = []
    stops = (signal.SIGINT, signal.SIGTERM)
    before = [
        signal.signal(number, lambda heard_now, _: heard.append(heard_now)) for number in stops
    ]
    try:
        LlamaCppEngine(gguf, resources=ONE, context=512).close()
        for number in stops:
            signal.raise_signal(number)
    finally:
        for number, handler in zip(stops, before, strict=True):
            signal.signal(number, handler)
    assert heard == list(stops)


def test_a_kill_in_the_middle_is_our_error_and_not_a_hang(gguf: Path) -> None:
    engine = LlamaCppEngine(gguf, resources=ONE, context=8192)
    threading.Timer(0.3, os.kill, (engine.pid, signal.SIGKILL)).start()
    with pytest.raises(ModelError, match="exit code -9") as raised:
        _answer_for_ever(engine)
    assert raised.value.code == "llama-cpp-ended"
    with pytest.raises(ModelError, match="exit code -9"):
        engine.tokenize("x")
    engine.close()


def test_it_ends_when_its_parent_is_killed(gguf: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", OPEN_AND_WAIT, str(gguf)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    gone, alive = psutil.wait_procs([child], timeout=10)
    assert gone
    assert not alive


def test_no_slot_is_longer_than_the_model_was_trained_on(gguf: Path) -> None:
    engine = LlamaCppEngine(gguf, resources=ONE, context=32768)
    assert engine.context == 1024
    engine.close()


@pytest.mark.real
def test_an_answer_that_is_aborted_while_its_prompt_is_read_frees_the_slot(
    smollm2: Path, tmp_path: Path
) -> None:
    write_gguf(smollm2, tmp_path / "smollm2.gguf", form="q8_0")
    engine = LlamaCppEngine(tmp_path / "smollm2.gguf", resources=ONE, context=4096, reuse=False)
    long = engine.render([Message("user", "word and other things " * 700)])
    start = time.monotonic()
    assert list(engine.stream(long, Sampling(max_new_tokens=1)))
    whole = time.monotonic() - start
    reply = engine.stream(long, Sampling(max_new_tokens=1))
    threading.Timer(0.1, reply.abort).start()
    assert list(reply) == []
    start = time.monotonic()
    _first_answer(engine)
    assert time.monotonic() - start < whole / 2
    engine.close()
