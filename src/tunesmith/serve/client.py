"""One streamed chat request as a client sees it, with the times that the client sees."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tunesmith.records.conversation import Message


@dataclass(frozen=True, slots=True)
class Target:
    """Where to ask, with which key, for which model."""

    url: str
    key: str
    model: str
    max_new_tokens: int
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What came back. Times are from when the request was due, so that a late start counts."""

    id: str
    status: int
    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    ttft_seconds: float | None
    total_seconds: float
    fault: str
    """Why the request is abnormal; empty: it is not."""


def ask(target: Target, messages: Sequence[Message], *, due: float) -> Seen:
    """Send one request and read its stream to the end. ``due`` is on `time.perf_counter`'s clock."""
    kept: dict[str, Any] = {"id": "", "status": 0, "text": "", "finish_reason": "", "usage": {}}
    first: float | None = None
    fault = ""
    try:
        for event in _events(target, messages, kept):
            if first is None and _content(event):
                first = time.perf_counter() - due
            _keep(kept, event)
        fault = _fault(kept)
    except (OSError, http.client.HTTPException, ValueError) as error:
        fault = type(error).__name__
    total = time.perf_counter() - due
    usage = kept["usage"]
    return Seen(
        id=kept["id"], status=kept["status"], text=kept["text"],
        finish_reason=kept["finish_reason"], prompt_tokens=usage.get("prompt_tokens", 0),
        completion_tokens=usage.get("completion_tokens", 0),
        ttft_seconds=first if first is not None or fault else total, total_seconds=total,
        fault=fault,
    )  # fmt: skip


def _events(
    target: Target, messages: Sequence[Message], kept: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    parts = urlsplit(target.url)
    assert parts.hostname, "the server's address has a host"
    connection = http.client.HTTPConnection(
        parts.hostname, parts.port, timeout=target.timeout_seconds
    )
    body = {
        "model": target.model,
        "messages": [{"role": one.role, "content": one.content} for one in messages],
        "max_tokens": target.max_new_tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    headers = {"Authorization": f"Bearer {target.key}", "Content-Type": "application/json"}
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        reply = connection.getresponse()
        kept["status"] = reply.status
        if reply.status != 200:
            reply.read()
            return
        for line in reply:
            data = line.decode("utf-8").removeprefix("data:").strip()
            if data == "[DONE]":
                kept["done"] = True
            elif data:
                yield json.loads(data)
    finally:
        connection.close()


def _content(event: dict[str, Any]) -> str:
    choices = event.get("choices") or [{}]
    return str((choices[0].get("delta") or {}).get("content") or "")


def _keep(kept: dict[str, Any], event: dict[str, Any]) -> None:
    kept["id"] = event.get("id", kept["id"])
    kept["text"] += _content(event)
    kept["usage"] = event.get("usage") or kept["usage"]
    choices = event.get("choices") or [{}]
    kept["finish_reason"] = choices[0].get("finish_reason") or kept["finish_reason"]
    if "error" in event:
        kept["error"] = True


def _fault(kept: dict[str, Any]) -> str:
    if kept["status"] != 200:
        return f"status {kept['status']}"
    if kept.get("error"):
        return "error in the stream"
    return "" if kept.get("done") and kept["finish_reason"] else "stream cut short"
