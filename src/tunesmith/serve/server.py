"""A running server: its socket, its thread, and how it stops without cutting a stream."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from tunesmith.core.config import Resources
from tunesmith.core.errors import ConfigError, RunError
from tunesmith.core.extras import require
from tunesmith.serve.config import ServerConfig
from tunesmith.serve.job import Backend
from tunesmith.serve.served import open_backend, served_model

_LOCAL: Final = frozenset(("127.0.0.1", "localhost", "::1"))
_START_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Setup:
    """What seldom differs between servers."""

    name: str = "tunesmith"
    """What clients give as ``model``."""
    config: ServerConfig = field(default_factory=ServerConfig)
    resources: Resources = field(default_factory=Resources)
    traces: Path | None = None
    """A JSONL file that gets one line for each request, private data masked."""


def serve(
    model: Path,
    tuned: Path | None = None,
    gguf: Path | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    api_key: str | None = None,
    engine: Literal["auto", "transformers", "llama.cpp"] = "auto",
    setup: Setup | None = None,
) -> Server:
    """Serve a model over HTTP; returns once it answers. ``port`` 0 takes a free one.

    Without a key only this machine is answered.

    Raises:
        ConfigError: when the address is taken, or others could reach it and there is no key.

    """
    require("starlette", extra="serve", needed_for="serving a model over HTTP")
    require("uvicorn", extra="serve", needed_for="serving a model over HTTP")
    setup = setup or Setup()
    _check_key(host, api_key)
    listening = _listen(host, port)
    try:
        chosen = served_model(model, tuned, gguf=gguf, engine=engine)
        backend = open_backend(chosen, setup.config, setup.resources)
    except BaseException:
        listening.close()
        raise
    return Server(backend, listening, setup, api_key=api_key)


class Server:
    """A model behind an OpenAI-compatible API, in a thread of its own."""

    def __init__(
        self, backend: Backend, listening: socket.socket, setup: Setup, *, api_key: str | None
    ) -> None:
        from tunesmith.serve.access import key_digest
        from tunesmith.serve.http import Site
        from tunesmith.serve.numbers import Numbers
        from tunesmith.serve.trace import TraceWriter

        self.name = setup.name
        self.engine = backend.engine
        self._backend = backend
        self._drain_seconds = setup.config.drain_seconds
        self._listening = listening
        self._traces = TraceWriter(setup.traces) if setup.traces else None
        self._site = Site(
            model=setup.name,
            backend=backend,
            numbers=Numbers(setup.name, backend.engine, backend.load),
            config=setup.config,
            key_digest=key_digest(api_key) if api_key else None,
            allowed_hosts=None if api_key else _LOCAL,
            traces=self._traces,
        )
        self._stop_asked = threading.Event()
        self._uvicorn: Any = None
        self._thread = threading.Thread(target=self._run, name="tunesmith-http", daemon=True)
        self._thread.start()
        self._await_start()

    @property
    def port(self) -> int:
        """The port, also where a free one was taken."""
        return int(self._listening.getsockname()[1])

    @property
    def url(self) -> str:
        """Where clients find it, without ``/v1``."""
        host = str(self._listening.getsockname()[0])
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def wait(self) -> None:
        """Serve until Ctrl-C or SIGTERM; running answers end first, new requests get 503."""
        previous = {
            number: signal.signal(number, lambda *_: self._stop_asked.set())
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            # a plain wait() is not woken by signals on every platform
            while not self._stop_asked.wait(0.2) and self._thread.is_alive():
                pass
        finally:
            self.close()
            for number, handler in previous.items():
                signal.signal(number, handler)

    def close(self) -> None:
        """Answer new requests with 503, let running ones end, then stop. A second call does nothing."""
        if self._site.is_draining:
            return
        self._site.is_draining = True
        deadline = time.monotonic() + self._drain_seconds
        while self._site.open_requests and time.monotonic() < deadline and self._thread.is_alive():
            time.sleep(0.02)
        self._uvicorn.should_exit = True
        self._uvicorn.force_exit = self._site.open_requests > 0
        self._thread.join()
        self._backend.close()
        if self._traces:
            self._traces.close()

    def _run(self) -> None:
        import uvicorn

        from tunesmith.serve.http import application

        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                application(self._site),
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_keep_alive=30,
            )
        )
        asyncio.run(self._uvicorn.serve(sockets=[self._listening]))

    def _await_start(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not (self._uvicorn and self._uvicorn.started):
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise RunError(
                    "the server did not start",
                    why="its thread ended or did not listen in time; the log has the reason",
                    fix="start it again; if it happens again, report it",
                    code="server-start",
                )
            time.sleep(0.01)


def _check_key(host: str, api_key: str | None) -> None:
    if api_key is not None and not api_key.strip():
        raise ConfigError(
            "the API key is empty",
            why="an empty key would let everybody in",
            fix="give a key, or leave --api-key out to serve this machine only",
            code="server-key",
        )
    if api_key is None and not _is_loopback(host):
        raise ConfigError(
            f"listening on {host} needs an API key",
            why="others can reach that address, and whoever does could use the model",
            fix="set TUNESMITH_API_KEY, or listen on 127.0.0.1",
            code="server-key",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise ConfigError(
            f"cannot listen on {host} port {port}: {error}",
            why="another program has the port, or the address is not of this machine",
            fix="choose another --port; 0 takes a free one",
            code="server-address",
        ) from error
    return listening
