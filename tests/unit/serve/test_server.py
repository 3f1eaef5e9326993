"""The server as a client meets it: limits, key, disconnects, draining, traces, metrics."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.config import Resources
from tunesmith.core.errors import ConfigError
from tunesmith.serve.config import ServerConfig
from tunesmith.serve.server import Server, Setup, serve
from tunesmith.serve.trace import read_traces

KEY = "a-key-of-the-tests"
Running = tuple[Server, Path]


def _body(**changes: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Say something."}]
    # a tiny random model seldom ends by itself, so an answer is as long as it is asked to be
    return {
        "model": "tunesmith",
        "messages": messages,
        "max_tokens": 8,
        "temperature": 0,
        **changes,
    }


def _ask(
    server: Server, body: Any = None, *, path: str = "/v1/chat/completions", method: str = "POST",
    **headers: str,
) -> tuple[int, Any, dict[str, str]]:  # fmt: skip
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    raw = body if isinstance(body, bytes) else json.dumps(body) if body is not None else None
    connection.request(method, path, raw, {"Authorization": f"Bearer {KEY}", **headers})
    reply = connection.getresponse()
    data = reply.read()
    connection.close()
    kind = reply.headers.get("content-type", "")
    return reply.status, json.loads(data) if "json" in kind else data.decode(), dict(reply.headers)


@contextmanager
def _open_stream(server: Server, **changes: Any) -> Iterator[tuple[socket.socket, Any]]:
    """A connection that has sent a streaming request, and the lines that come back."""
    raw = json.dumps(_body(stream=True, **changes)).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Length: {len(raw)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head.encode() + raw)
        with connection.makefile("rb") as lines:
            yield connection, lines


def _until(fact: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.005)


def _load(server: Server) -> tuple[int, int]:
    _, body, _ = _ask(server, path="/health", method="GET")
    return body["running"], body["waiting"]


def test_an_unknown_path_and_method_have_openai_errors(tiny_server: Running) -> None:
    for path, method, status in (("/v1/nothing", "GET", 404), ("/v1/chat/completions", "GET", 405)):
        found, body, _ = _ask(tiny_server[0], path=path, method=method)
        assert found == status
        assert body["error"]["type"] == "invalid_request_error"


def test_health_needs_no_key_and_everything_else_does(tiny_server: Running) -> None:
    server, _ = tiny_server
    assert _ask(server, path="/health", method="GET", Authorization="")[0] == 200
    for path in ("/v1/models", "/metrics"):
        for given in ("", "Bearer wrong", KEY, f"Basic {KEY}", "Bearer "):
            status, body, headers = _ask(server, path=path, method="GET", Authorization=given)
            assert status == 401
            assert body["error"]["code"] == "invalid_api_key"
            assert headers["www-authenticate"] == "Bearer"


def test_a_body_over_the_limit_gets_413(tiny_server: Running) -> None:
    long = _body(messages=[{"role": "user", "content": "x" * 30_000}])
    status, body, _ = _ask(tiny_server[0], long)
    assert (status, body["error"]["code"]) == (413, "body_too_large")


def test_a_prompt_over_the_context_gets_400(tiny_server: Running) -> None:
    long = _body(messages=[{"role": "user", "content": "x" * 5_000}])
    status, body, _ = _ask(tiny_server[0], long)
    assert (status, body["error"]["code"]) == (400, "context_length_exceeded")


def test_a_full_queue_gets_429_with_retry_after_and_frees_when_clients_leave(
    tiny_server: Running,
) -> None:
    server, _ = tiny_server
    streams = [_open_stream(server, max_tokens=900) for _ in range(5)]
    opened = [stream.__enter__() for stream in streams]
    try:
        _until(lambda: _load(server) == (2, 3))
        status, body, headers = _ask(server, _body())
        assert (status, body["error"]["code"]) == (429, "queue_full")
        assert int(headers["retry-after"]) >= 1
    finally:
        # one left while it decoded, others while they waited
        for connection, _ in opened:
            connection.close()
        for stream in streams:
            stream.__exit__(None, None, None)
    _until(lambda: _load(server) == (0, 0), seconds=5)
    assert _ask(server, _body())[0] == 200


def test_a_client_that_leaves_frees_its_slot_within_a_step(tiny_server: Running) -> None:
    server, traces = tiny_server
    with _open_stream(server, max_tokens=900) as (connection, lines):
        while b'"delta": {"content"' not in lines.readline():
            pass
        assert _load(server) == (1, 0)
        connection.shutdown(socket.SHUT_RDWR)
    _until(lambda: _load(server) == (0, 0), seconds=2)
    _until(lambda: any(one["status"] == 499 for one in read_traces(traces)))


def test_a_waiting_whole_answer_is_dropped_when_its_client_leaves(tiny_server: Running) -> None:
    server, _ = tiny_server
    raw = json.dumps(_body(max_tokens=900)).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(f"{head}Content-Length: {len(raw)}\r\n\r\n".encode() + raw)
        _until(lambda: _load(server)[0] == 1)
    _until(lambda: _load(server) == (0, 0), seconds=2)


def test_answers_do_not_depend_on_who_else_asks(tiny_server: Running) -> None:
    server, _ = tiny_server
    bodies = [
        _body(messages=[{"role": "user", "content": "word " * n}], max_tokens=24)
        for n in (1, 3, 9, 2)
    ]
    alone = [_ask(server, body)[1]["choices"] for body in bodies]
    together: dict[int, Any] = {}

    def one(i: int) -> None:
        together[i] = _ask(server, bodies[i])[1]["choices"]

    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(bodies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # bfloat16 rounds differently in each batch; the random tiny model has no near-ties here
    assert [together[i] for i in range(len(bodies))] == alone


def test_traces_hold_times_and_no_private_data(tiny_server: Running) -> None:
    server, traces = tiny_server
    secret = "Write to ann.lee@example.org soon."
    status, body, _ = _ask(server, _body(messages=[{"role": "user", "content": secret}]))
    assert status == 200
    _until(lambda: any(one["id"] == body["id"] for one in read_traces(traces)))
    [trace] = [one for one in read_traces(traces) if one["id"] == body["id"]]
    assert "ann.lee" not in traces.read_text()
    assert trace["messages"] == [["user", "Write to [EMAIL] soon."]]
    times = [trace[name] for name in ("queued_at", "started_at", "first_token_at", "ended_at")]
    assert times == sorted(times)  # type: ignore[type-var]
    assert trace["completion_tokens"] == body["usage"]["completion_tokens"]


def test_metrics_count_requests_and_tokens(tiny_server: Running) -> None:
    server, _ = tiny_server
    _ask(server, _body())
    _ask(server, b"{")
    page = _ask(server, path="/metrics", method="GET")[1]
    assert 'tunesmith_requests_total{status="200"}' in page
    assert 'tunesmith_requests_total{status="400"}' in page
    assert "tunesmith_time_to_first_token_seconds_bucket" in page
    assert "tunesmith_requests_waiting 0.0" in page


@pytest.fixture
def open_server(tiny_folder: Path) -> Iterator[Server]:
    """Without a key; closed by the test or here."""
    server = serve(
        tiny_folder, port=0, engine="transformers",
        setup=Setup(
            config=ServerConfig(slots=2, drain_seconds=20), resources=Resources(threads=1)
        ),
    )  # fmt: skip
    yield server
    server.close()


def test_without_a_key_web_pages_and_other_names_are_refused(open_server: Server) -> None:
    assert _ask(open_server, _body(), Authorization="")[0] == 200
    assert _ask(open_server, _body(), Host="evil.example")[0] == 403
    assert _ask(open_server, _body(), Origin="https://evil.example")[0] == 403
    assert _ask(open_server, _body(), Origin=f"http://localhost:{open_server.port}")[0] == 200


def test_closing_lets_streams_end_and_answers_new_requests_with_503(open_server: Server) -> None:
    with _open_stream(open_server, max_tokens=300) as (_, lines):
        while b'"delta": {"content"' not in lines.readline():
            pass
        closing = threading.Thread(target=open_server.close)
        closing.start()
        _until(lambda: open_server._site.is_draining)
        status, body, headers = _ask(open_server, _body())
        assert (status, body["error"]["code"]) == (503, "shutting_down")
        assert "retry-after" in headers
        rest = lines.read()
        closing.join()
    assert b"data: [DONE]" in rest
    assert b'"finish_reason": "length"' in rest


def test_beyond_this_machine_a_key_is_required(tiny_folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"listening on 0\.0\.0\.0 needs an API key"):
        serve(tiny_folder, host="0.0.0.0", port=0)
    with pytest.raises(ConfigError, match="the API key is empty"):
        serve(tiny_folder, port=0, api_key=" ")


def test_a_taken_port_is_named(tiny_folder: Path, tiny_server: Running) -> None:
    with pytest.raises(ConfigError, match=f"port {tiny_server[0].port}"):
        serve(tiny_folder, port=tiny_server[0].port)
