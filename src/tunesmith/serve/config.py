"""Settings of the stage ``serve``, and of the server it starts."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from tunesmith.core.config import Config


class ServerConfig(Config):
    """Bounds of the server: how much it takes on at a time."""

    engine: Literal["auto", "transformers", "llama.cpp"] = "auto"
    """auto takes transformers where there is a GPU or a processor that multiplies bfloat16 itself, else
    llama.cpp where there is a GGUF of this model. Measured on two cores with AVX512-BF16, 24 prompts of
    360 tokens at one a second: slowest first token 1.0 s with transformers, 27.8 s with llama.cpp."""
    slots: Annotated[int, Ge(1)] = 4
    """Requests that are decoded together; more raise tokens/s and the time between two tokens."""
    queue: Annotated[int, Ge(0)] = 32
    """Requests that may wait for a slot; the next one gets 429 with Retry-After."""
    max_new_tokens: Annotated[int, Ge(1)] = 4096
    """Bound of a request's max_tokens; a larger one is refused."""
    default_new_tokens: Annotated[int, Ge(1)] = 512
    """max_tokens of a request that names none: a bound on answers that do not end by themselves."""
    max_body_bytes: Annotated[int, Ge(1024)] = 1_048_576
    """Larger bodies get 413."""
    context: Annotated[int, Ge(64)] = 2048
    """Most tokens of one request, prompt and answer, with llama.cpp."""
    drain_seconds: Annotated[float, Gt(0.0)] = 30.0
    """After SIGTERM running answers may take this long to end."""


class ServeConfig(Config):
    """The real server under real prompts."""

    server: ServerConfig = ServerConfig()
    requests: Annotated[int, Ge(1)] = 20
    """Requests sent in all; the held-out prompts are used in turn. 299 are needed to prove a P99,
    2,995 to prove an abnormal rate below 0.1 %: raise it where that matters."""
    rate: Annotated[float, Gt(0.0)] = 1.0
    """Requests a second on average, sent at Poisson times whether or not earlier ones are answered
    (an open loop: a closed one would wait with the server and hide its queue)."""
    max_new_tokens: Annotated[int, Ge(1)] = 32
    """max_tokens of each request."""
    timeout_seconds: Annotated[float, Gt(0.0)] = 60.0
    """A request that takes longer counts as abnormal."""
    parity_rows: Annotated[int, Ge(0)] = 5
    """Served answers that are compared with the engine's own on the same prompts."""
    parity_at_least: Annotated[float, Ge(0.0), Le(1.0)] = 0.5
    """Least mean share of an answer's characters before it first differs. Requests meet in changing
    batches, and bfloat16 and Q8_0 round differently in each: 94 % with transformers and 73 % with
    llama.cpp were measured on SmolLM2; a wrong template or order of weights leaves a few percent."""
