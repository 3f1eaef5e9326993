"""Who may ask: an API key compared in constant time, or, without one, programs of this machine only."""

from __future__ import annotations

import hashlib
import hmac

from starlette.requests import Request

from tunesmith.serve.schema import Refused


def key_digest(key: str) -> bytes:
    """What is kept of a key, so that comparing takes the same time for every guess."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def check_host(request: Request, allowed: frozenset[str] | None) -> None:
    """Without a key only programs of this machine may ask, not web pages that a browser shows.

    A page of another site could send requests to 127.0.0.1, or give that address a name of its own.
    ``allowed`` holds the names that Host and Origin may give; None: any.
    """
    if allowed is None:
        return
    host = _name(request.headers.get("host", ""))
    origin = request.headers.get("origin")
    if host not in allowed or (origin is not None and _name(origin) not in allowed):
        raise Refused(
            403, "this server has no key and answers this machine only", code="host_not_allowed"
        )


def check_key(request: Request, digest: bytes | None) -> None:
    """The bearer token must be the key with this SHA-256; None: no key is asked for."""
    if digest is None:
        return
    kind, _, key = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not hmac.compare_digest(key_digest(key.strip()), digest):
        raise Refused(401, "the API key is missing or wrong", code="invalid_api_key")


def _name(address: str) -> str:
    """The host of ``http://host:port`` or ``host:port``, without the brackets of IPv6."""
    return address.split("//", 1)[-1].rsplit(":", 1)[0].strip("[]").lower()
