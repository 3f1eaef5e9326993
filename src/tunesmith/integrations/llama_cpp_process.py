"""Starts llama.cpp in a process of its own and speaks HTTP with it, on this machine only."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tunesmith.core.errors import DataError, ModelError

_END_SECONDS: Final = 5
_TOLD_LINES: Final = 5
_TOLD_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Settings:
    """What the server is started with."""

    gguf: str
    slots: int
    context: int
    """Tokens of one slot, prompt and answer together."""
    threads: int
    gpu: bool
    piece: int = 256
    """Tokens of prompts read between two looks at who has left."""
    key: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)


class Reply:
    """A streamed answer: its chunks, in order. Another thread may end it with `abort`."""

    def __init__(
        self, connection: http.client.HTTPConnection, ended: Callable[[], ModelError]
    ) -> None:
        self._connection = connection
        # kept here: the connection forgets it once the head of the reply says that it closes
        self._socket: socket.socket = connection.sock
        self._ended = ended
        self._is_aborted = False

    def __iter__(self) -> Iterator[dict[str, Any]]:
        try:
            yield from self._chunks()
        except (OSError, json.JSONDecodeError, http.client.HTTPException) as error:
            if not self._is_aborted:
                raise self._ended() from error
        finally:
            self._connection.close()

    def abort(self) -> None:
        """End the answer now: llama.cpp sees that its client has left, and frees the slot."""
        self._is_aborted = True
        with suppress(OSError):  # it has ended already
            self._socket.shutdown(socket.SHUT_RDWR)

    def _chunks(self) -> Iterator[dict[str, Any]]:
        response = self._connection.getresponse()
        if response.status != 200:
            raise refused(json.loads(response.read()))
        for line in response:
            if line.startswith(b"data: {"):
                yield json.loads(line[len(b"data: ") :])


class LlamaCppProcess:
    """A running llama.cpp server, which ends with this process or by `close`."""

    def __init__(self, settings: Settings) -> None:
        self._key = settings.key
        self._said = tempfile.TemporaryFile()  # noqa: SIM115, `close` closes it
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tunesmith.integrations.llama_cpp_child"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said,
        )  # fmt: skip
        try:
            self._address = self._start(settings)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The reply as JSON.

        Raises:
            DataError: when llama.cpp refuses the request.
            ModelError: when llama.cpp has ended.

        """
        return self._read(self._ask("POST", path, json.dumps(body)))

    def get(self, path: str) -> dict[str, Any]:
        """The reply as JSON; errors as `post`."""
        return self._read(self._ask("GET", path, None))

    def stream(self, path: str, body: Mapping[str, Any]) -> Reply:
        """The reply to a request for a stream; errors as `post`, when the reply is read."""
        return Reply(self._ask("POST", path, json.dumps(body)), self._ended)

    def close(self) -> None:
        """End the process and free its memory; closing again does nothing."""
        assert self._process.stdin is not None, "the process is started with a pipe"
        assert self._process.stdout is not None, "the process is started with a pipe"
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._said.close()

    def _start(self, settings: Settings) -> tuple[str, int]:
        assert self._process.stdin is not None, "the process is started with a pipe"
        assert self._process.stdout is not None, "the process is started with a pipe"
        with suppress(BrokenPipeError):  # it ended already; what it said tells why
            self._process.stdin.write(json.dumps(asdict(settings)).encode() + b"\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        told = json.loads(line) if line else {"error": self._last_words()}
        if "error" in told:
            raise ModelError(
                f"llama.cpp cannot load {Path(settings.gguf)}: {told['error']}",
                why="the file is damaged, or made for a newer llama.cpp",
                fix="make the file again, or update the package xllamacpp",
                code="gguf-unreadable",
            )
        address = urlsplit(told["address"])
        assert address.hostname is not None, "llama.cpp names a host"
        assert address.port is not None, "llama.cpp names a port"
        return address.hostname, address.port

    def _ask(self, method: str, path: str, body: str | None) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(*self._address)
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, body, headers)
        except OSError as error:
            connection.close()
            raise self._ended() from error
        return connection

    def _read(self, connection: http.client.HTTPConnection) -> dict[str, Any]:
        try:
            reply = json.loads(connection.getresponse().read())
        except (OSError, json.JSONDecodeError, http.client.HTTPException) as error:
            raise self._ended() from error
        finally:
            connection.close()
        if not isinstance(reply, dict) or "error" in reply:
            raise refused(reply)
        return reply

    def _ended(self) -> ModelError:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        return ModelError(
            f"llama.cpp ended in the middle of a request: {self._last_words()}",
            why="it was killed, ran out of memory, or met a fault of its own",
            fix="look for a memory limit, lower resources.generate_batch or the context, or use the engine transformers",
            code="llama-cpp-ended",
        )

    def _last_words(self) -> str:
        """The last lines on its standard error, with how it ended."""
        # the child writes at the same offset, so it is not moved
        size = os.fstat(self._said.fileno()).st_size
        told = os.pread(self._said.fileno(), _TOLD_BYTES, max(0, size - _TOLD_BYTES))
        lines = told.decode(errors="replace").strip().splitlines()
        code = self._process.poll()
        ended = "it still runs" if code is None else f"exit code {code}"
        return "; ".join([*lines[-_TOLD_LINES:], ended])


def refused(body: Any) -> DataError:
    """llama.cpp's refusal as our error."""
    message = body["error"].get("message", body) if isinstance(body, dict) else body
    return DataError(
        f"llama.cpp refused a request: {message}",
        why="most often the prompt is longer than the context of a slot",
        fix="give the engine a larger context, or shorten the prompt",
        code="llama-cpp-refused",
    )
