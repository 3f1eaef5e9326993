"""The body of ``POST /v1/chat/completions``, checked; each refusal in OpenAI's error shape."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from tunesmith.core.table import nearest
from tunesmith.ports import Sampling
from tunesmith.records.conversation import Message

Text = Annotated[str, MaxLen(4_000_000)]


class Refused(Exception):
    """A request that gets an error of the 4xx kind: status, message, and the parameter at fault."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code

    def body(self) -> dict[str, Any]:
        """The error as OpenAI's clients read it."""
        kind = {401: "authentication_error", 429: "rate_limit_error"}.get(self.status)
        kind = kind or ("server_error" if self.status >= 500 else "invalid_request_error")
        return {
            "error": {
                "message": self.message, "type": kind, "param": self.param, "code": self.code,
            }
        }  # fmt: skip


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class _Part(_Strict):
    type: Literal["text"]
    text: Text


class _Turn(_Strict):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Text | list[_Part]
    name: Text | None = None
    tool_call_id: Text | None = None
    refusal: None = None

    @field_validator("content")
    @classmethod
    def _is_text(cls, content: str | list[_Part]) -> str | list[_Part]:
        whole = content if isinstance(content, str) else "".join(part.text for part in content)
        try:
            whole.encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError("half of a surrogate pair is not text") from None
        return content

    def message(self) -> Message:
        """The turn as our record; ``developer`` is today's name for ``system``."""
        parts = self.content
        text = parts if isinstance(parts, str) else "".join(part.text for part in parts)
        return Message("system" if self.role == "developer" else self.role, text)


class _StreamOptions(_Strict):
    include_usage: bool = False
    include_obfuscation: bool | None = None


class _Body(_Strict):
    model: Annotated[str, MinLen(1), MaxLen(500)]
    messages: Annotated[list[_Turn], MinLen(1), MaxLen(10_000)]
    max_tokens: Annotated[int, Ge(1), Le(2**31)] | None = None
    max_completion_tokens: Annotated[int, Ge(1), Le(2**31)] | None = None
    temperature: Annotated[float, Ge(0.0), Le(2.0)] | None = None
    top_p: Annotated[float, Ge(0.0), Le(1.0)] | None = None
    seed: Annotated[int, Ge(-(2**63)), Le(2**63 - 1)] | None = None
    stop: Annotated[str, MaxLen(1000)] | Annotated[list[str], MaxLen(4)] | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    # settings with one value that means "nothing special": that value is taken, any other refused
    n: Literal[1] | None = None
    logprobs: Literal[False] | None = None
    top_logprobs: Literal[0] | None = None
    presence_penalty: Annotated[float, Ge(0.0), Le(0.0)] | None = None
    frequency_penalty: Annotated[float, Ge(0.0), Le(0.0)] | None = None
    logit_bias: Annotated[dict[str, float], MaxLen(0)] | None = None
    tools: Annotated[list[Any], MaxLen(0)] | None = None
    tool_choice: Literal["none", "auto"] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[Literal["type"], Literal["text"]] | None = None
    modalities: list[Literal["text"]] | None = None
    # who asks, and bookkeeping: changes no answer
    user: Text | None = None
    metadata: dict[str, Any] | None = None
    store: bool | None = None
    service_tier: Text | None = None
    safety_identifier: Text | None = None
    prompt_cache_key: Text | None = None


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A checked request."""

    model: str
    messages: tuple[Message, ...]
    sampling: Sampling
    is_stream: bool
    include_usage: bool


def parse_chat(raw: bytes, *, default_new_tokens: int, max_new_tokens: int) -> ChatRequest:
    """The request in a body; the two numbers are the default and the bound of its max_tokens.

    Raises:
        Refused: with status 400, naming the parameter.

    """
    body = _checked(raw)
    asked = body.max_completion_tokens or body.max_tokens
    if asked is not None and asked > max_new_tokens:
        raise Refused(
            400, f"`max_tokens` is {asked}, and this server writes at most {max_new_tokens}",
            param="max_tokens" if body.max_completion_tokens is None else "max_completion_tokens",
        )  # fmt: skip
    stop = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
    sampling = Sampling(
        max_new_tokens=asked or min(default_new_tokens, max_new_tokens),
        # 1 is what OpenAI's clients expect where nothing is said
        temperature=1.0 if body.temperature is None else body.temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        seed=_random_seed() if body.seed is None else body.seed % 2**63,
        stop=tuple(text for text in stop if text),
    )
    return ChatRequest(
        model=body.model,
        messages=tuple(turn.message() for turn in body.messages),
        sampling=sampling,
        is_stream=bool(body.stream),
        include_usage=bool(body.stream_options and body.stream_options.include_usage),
    )


def _checked(raw: bytes) -> _Body:
    try:
        values = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"the body is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise Refused(400, f"the body must be a JSON object, not {type(values).__name__}")
    try:
        return _Body.model_validate(values)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False)[0]
        raise _refused(problem, values) from None
    except RecursionError:
        raise Refused(400, "the body is nested too deeply") from None


def _refused(problem: Any, values: dict[str, Any]) -> Refused:
    key = str(problem["loc"][0])
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        near = nearest(str(problem["loc"][-1]), _Body.model_fields)
        hint = f"; did you mean `{near}`?" if near else ""
        return Refused(400, f"`{where}` is not a parameter of this server{hint}", param=where)
    if problem["type"] == "missing":
        return Refused(400, f"`{where}` is required", param=where)
    if key in _NOT_HERE:
        return Refused(
            400, f"`{key}` is not supported by this server: {_NOT_HERE[key]}",
            param=key, code="unsupported_parameter",
        )  # fmt: skip
    return Refused(400, f"`{where}`: {problem['msg'].removeprefix('Value error, ')}", param=where)


_NOT_HERE = {
    "n": "it gives one answer; send the request n times with different seeds",
    "logprobs": "it gives no log-probabilities",
    "top_logprobs": "it gives no log-probabilities",
    "presence_penalty": "only 0 is accepted",
    "frequency_penalty": "only 0 is accepted",
    "logit_bias": "leave it out",
    "tools": "it calls no tools",
    "tool_choice": "it calls no tools",
    "response_format": "only text is given",
    "modalities": "only text is given",
}


def _random_seed() -> int:
    import secrets

    return secrets.randbits(63)
