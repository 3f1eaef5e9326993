"""The HTTP side: routes, key, limits, streaming; every refusal in OpenAI's error shape."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tunesmith.core.errors import DataError, ModelError
from tunesmith.serve.access import check_host, check_key
from tunesmith.serve.config import ServerConfig
from tunesmith.serve.job import Backend, Busy, End, Failed, Job, Piece, Prepared, Told
from tunesmith.serve.numbers import Numbers
from tunesmith.serve.schema import ChatRequest, Refused, parse_chat
from tunesmith.serve.trace import Outcome, TraceWriter

_BODY_SECONDS = 30.0
_LEFT = 499
"""Status in traces and metrics for a client that closed the connection."""

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(slots=True)
class Site:
    """What the routes need: one for each server."""

    model: str
    backend: Backend
    numbers: Numbers
    config: ServerConfig
    key_digest: bytes | None
    """SHA-256 of the API key; None: no key is asked for."""
    allowed_hosts: frozenset[str] | None
    """Names that the Host header may give; None: any."""
    traces: TraceWriter | None = None
    is_draining: bool = False
    open_requests: int = 0
    created: int = field(default_factory=lambda: int(time.time()))


@dataclass(slots=True)
class _Call:
    """One accepted chat request: its job, and the events that the engine's thread tells."""

    request: ChatRequest
    job: Job
    told: asyncio.Queue[Told]
    id: str
    text: list[str] = field(default_factory=list)
    end: End | None = None
    is_closed: bool = False


def application(site: Site) -> Starlette:
    """The ASGI application of a server."""
    return Starlette(
        routes=[
            Route("/v1/chat/completions", _guarded(site, _chat), methods=["POST"]),
            Route("/v1/models", _guarded(site, _models)),
            Route("/v1/models/{name:path}", _guarded(site, _model)),
            Route("/metrics", _guarded(site, _metrics)),
            Route("/health", _guarded(site, _health, is_open=True)),
        ],
        exception_handlers={HTTPException: _http_error, 500: _our_fault},
    )


def _guarded(
    site: Site, handler: Callable[[Site, Request], Awaitable[Response]], *, is_open: bool = False
) -> Handler:
    async def guarded(request: Request) -> Response:
        try:
            check_host(request, site.allowed_hosts)
            if not is_open:
                check_key(request, site.key_digest)
            return await handler(site, request)
        except Refused as refused:
            site.numbers.refused(refused.status)
            return JSONResponse(refused.body(), refused.status, _headers(refused))

    return guarded


def _headers(refused: Refused) -> dict[str, str]:
    if isinstance(refused, _Later):
        return {"Retry-After": str(refused.seconds)}
    return {"WWW-Authenticate": "Bearer"} if refused.status == 401 else {}


class _Later(Refused):
    """A refusal that says when to come again."""

    def __init__(self, status: int, message: str, *, code: str, seconds: int) -> None:
        super().__init__(status, message, code=code)
        self.seconds = seconds


async def _chat(site: Site, request: Request) -> Response:
    if site.is_draining:
        raise _Later(503, "the server is shutting down", code="shutting_down", seconds=10)
    site.open_requests += 1
    try:
        call = await _accepted(site, request)
    except BaseException:
        site.open_requests -= 1
        raise
    if call.request.is_stream:
        return _Streamed(site, call)
    return await _whole(site, call, request)


async def _accepted(site: Site, request: Request) -> _Call:
    """Read, check, prepare and submit; refused before anything is computed where possible."""
    raw = await _body(request, site.config.max_body_bytes)
    chat = parse_chat(
        raw,
        default_new_tokens=site.config.default_new_tokens,
        max_new_tokens=site.config.max_new_tokens,
    )
    if chat.model != site.model:
        raise Refused(
            404, f"the model `{chat.model}` does not exist; this server has `{site.model}`",
            param="model", code="model_not_found",
        )  # fmt: skip
    prepared = await _prepared(site, chat)
    told: asyncio.Queue[Told] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def tell(event: Told) -> None:
        try:
            loop.call_soon_threadsafe(told.put_nowait, event)
        except RuntimeError:
            # the loop has ended before the engine's thread; nobody is left to be told
            return

    job = Job(prepared.prompt, prepared.tokens, chat.sampling, tell)
    try:
        site.backend.submit(job)
    except Busy as busy:
        raise _Later(429, str(busy), code="queue_full", seconds=busy.retry_seconds) from None
    return _Call(chat, job, told, f"chatcmpl-{uuid.uuid4().hex}")


async def _prepared(site: Site, chat: ChatRequest) -> Prepared:
    try:
        return await asyncio.to_thread(site.backend.prepare, chat.messages)
    except DataError as error:
        code = "context_length_exceeded" if error.code == "prompt-too-long" else error.code
        raise Refused(400, error.what, param="messages", code=code) from None
    except ModelError as error:
        raise Refused(400, error.what, param="messages", code=error.code) from None


async def _body(request: Request, most: int) -> bytes:
    """The body, read no further than its bound."""
    too_large = Refused(413, f"the body is larger than {most} bytes", code="body_too_large")
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > most:
        raise too_large
    parts, size = [], 0
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise too_large
                parts.append(part)
    except TimeoutError:
        raise Refused(408, "the body did not arrive in time", code="body_timeout") from None
    except ClientDisconnect:
        raise Refused(400, "the connection closed before the body had arrived") from None
    return b"".join(parts)


async def _whole(site: Site, call: _Call, request: Request) -> Response:
    """One JSON reply; the slot is freed when the client leaves before it is ready."""
    answering = asyncio.ensure_future(_gathered(call))
    leaving = asyncio.ensure_future(_left(request.receive))
    try:
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        status = _LEFT
        if answering.done():
            status = _FAILED.status if answering.result() else 200
        _close(site, call, status)
    finally:
        leaving.cancel()
        answering.cancel()
        _close(site, call, _LEFT)
    if status != 200:
        return JSONResponse(_FAILED.body(), status)
    assert call.end is not None, "an answer has an end"
    message = {"role": "assistant", "content": "".join(call.text), "refusal": None}
    choice = {
        "index": 0, "message": message, "logprobs": None, "finish_reason": call.end.finish_reason,
    }  # fmt: skip
    return JSONResponse(
        {**_head(site, call, "chat.completion"), "choices": [choice], "usage": _usage(call)}
    )


async def _gathered(call: _Call) -> bool:
    """Collect the answer; True when the engine failed."""
    while True:
        event = await call.told.get()
        if isinstance(event, Piece):
            call.text.append(event.text)
            continue
        if isinstance(event, End):
            call.end = event
        return isinstance(event, Failed)


async def _left(receive: Receive) -> None:
    """Wait until the client closes the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


class _Streamed(Response):
    """Server-sent events of one answer; the slot is freed when the client leaves, at any moment.

    Written out, because the framework's own streaming response does not run a generator's last
    lines when the client leaves before the first event.
    """

    def __init__(self, site: Site, call: _Call) -> None:
        super().__init__(
            media_type="text/event-stream",
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
        )
        del self.headers["content-length"]
        self._site = site
        self._call = call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sending.cancel()
            leaving.cancel()
            _close(self._site, self._call, _LEFT)

    async def _send(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        async for event in _events(self._site, self._call):
            await send({
                "type": "http.response.body", "body": event.encode("utf-8"), "more_body": True,
            })  # fmt: skip
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _events(site: Site, call: _Call) -> AsyncIterator[str]:
    """The events of one answer as text, one after another."""
    head = _head(site, call, "chat.completion.chunk")
    status = _LEFT
    try:
        yield _event(_chunk(head, {"role": "assistant", "content": ""}, None, call))
        while call.end is None:
            event = await call.told.get()
            if isinstance(event, Failed):
                status = _FAILED.status
                yield _event(_FAILED.body())
                break
            if isinstance(event, End):
                call.end = event
                yield _event(_chunk(head, {}, event.finish_reason, call))
            else:
                call.text.append(event.text)
                yield _event(_chunk(head, {"content": event.text}, None, call))
        if call.end is not None and call.request.include_usage:
            yield _event({**head, "choices": [], "usage": _usage(call)})
        yield "data: [DONE]\n\n"
        status = 200 if call.end is not None else status
    finally:
        _close(site, call, status)


def _close(site: Site, call: _Call, status: int) -> None:
    """Once for each call: free the slot, count, trace."""
    if call.is_closed:
        return
    call.is_closed = True
    call.job.cancel()
    site.open_requests -= 1
    now = time.time()
    tokens = call.end.completion_tokens if call.end else 0
    site.numbers.ended(call.job, status, tokens, now)
    if site.traces is not None:
        reason = call.end.finish_reason if call.end else ""
        outcome = Outcome(call.id, status, reason, tokens, "".join(call.text), now)
        asyncio.get_running_loop().run_in_executor(
            None, site.traces.write, call.job, call.request.messages, outcome
        )


def _head(site: Site, call: _Call, kind: str) -> dict[str, Any]:
    created = int(call.job.queued_at)
    return {"id": call.id, "object": kind, "created": created, "model": site.model}


def _chunk(
    head: dict[str, Any], delta: dict[str, str], reason: str | None, call: _Call
) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    body = {**head, "choices": [choice]}
    return {**body, "usage": None} if call.request.include_usage else body


def _event(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"


def _usage(call: _Call) -> dict[str, int]:
    assert call.end is not None, "usage is known at the end"
    read, written = call.job.prompt_tokens, call.end.completion_tokens
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


async def _models(site: Site, request: Request) -> Response:
    return JSONResponse({"object": "list", "data": [_card(site)]})


async def _model(site: Site, request: Request) -> Response:
    name = request.path_params["name"]
    if name != site.model:
        raise Refused(
            404, f"the model `{name}` does not exist; this server has `{site.model}`",
            param="model", code="model_not_found",
        )  # fmt: skip
    return JSONResponse(_card(site))


def _card(site: Site) -> dict[str, Any]:
    return {
        "id": site.model, "object": "model", "created": site.created, "owned_by": "tunesmith",
    }  # fmt: skip


async def _metrics(site: Site, request: Request) -> Response:
    body, kind = site.numbers.text()
    return Response(body, headers={"Content-Type": kind})


async def _health(site: Site, request: Request) -> Response:
    running, waiting = site.backend.load()
    status = "draining" if site.is_draining else "ok"
    body = {
        "status": status, "model": site.model, "engine": site.backend.engine,
        "running": running, "waiting": waiting,
    }  # fmt: skip
    return JSONResponse(body, 503 if site.is_draining else 200)


async def _http_error(request: Request, error: Exception) -> Response:
    """Unknown paths and methods, in the same shape as every other refusal."""
    assert isinstance(error, HTTPException), "registered for this type"
    words = f"{request.method} {request.url.path}: {error.detail}"
    return JSONResponse(Refused(error.status_code, words).body(), error.status_code, error.headers)


async def _our_fault(request: Request, error: Exception) -> Response:
    return JSONResponse(_FAILED.body(), _FAILED.status)


_FAILED = Refused(500, "the server failed to answer; its log has the reason", code="internal_error")
