"""Bodies of chat requests: what is taken, and how everything else is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.ports import Sampling
from tunesmith.records.conversation import Message
from tunesmith.serve.schema import ChatRequest, Refused, parse_chat

GOOD: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def _parse(**changes: Any) -> ChatRequest:
    return parse_chat(
        json.dumps({**GOOD, **changes}).encode(), default_new_tokens=7, max_new_tokens=50
    )


def _refusal(**changes: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        _parse(**changes)
    assert caught.value.status == 400
    assert set(caught.value.body()["error"]) == {"message", "type", "param", "code"}
    return caught.value


def test_a_plain_request_has_the_defaults_that_openai_clients_expect() -> None:
    request = _parse(seed=3)
    assert request.messages == (Message("user", "hi"),)
    assert request.sampling == Sampling(max_new_tokens=7, temperature=1.0, top_p=1.0, seed=3)
    assert not request.is_stream


def test_parts_of_text_are_joined_and_developer_means_system() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    request = _parse(messages=[{"role": "developer", "content": parts}, *GOOD["messages"]])
    assert request.messages[0] == Message("system", "ab")


def test_a_stop_text_may_be_one_or_several() -> None:
    assert _parse(stop="x").sampling.stop == ("x",)
    assert _parse(stop=["x", "y"]).sampling.stop == ("x", "y")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"temperature": -3}, "`temperature`"),
        ({"temperature": "0.5"}, "`temperature`"),
        ({"temperature": float("nan")}, "`temperature`"),
        ({"top_p": 1.5}, "`top_p`"),
        ({"max_tokens": 0}, "`max_tokens`"),
        ({"max_tokens": 51}, "writes at most 50"),
        ({"max_completion_tokens": 51}, "writes at most 50"),
        ({"max_tokens": True}, "`max_tokens`"),
        ({"messages": []}, "`messages`"),
        ({"messages": "hi"}, "`messages`"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "`messages.0.role`"),
        ({"messages": [{"role": "user"}]}, "`messages.0.content` is required"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages.0"),
        ({"model": None}, "`model`"),
        ({"n": 2}, "send the request n times"),
        ({"n": 10**30}, "send the request n times"),
        ({"tools": [{}]}, "calls no tools"),
        ({"logprobs": True}, "log-probabilities"),
        ({"response_format": {"type": "json_object"}}, "only text"),
        ({"presence_penalty": 0.5}, "only 0 is accepted"),
        ({"stop": ["a"] * 5}, "`stop"),
        ({"temprature": 1.0}, "did you mean `temperature`?"),
        ({"stream": "yes"}, "`stream`"),
        ({"seed": 2**64}, "`seed`"),
    ],
)
def test_a_bad_value_is_refused_by_name(changes: dict[str, Any], words: str) -> None:
    assert words in _refusal(**changes).message


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"a":1}', b"[" * 100_000, b"9" * 10_000]
)
def test_what_is_no_request_is_refused(raw: bytes) -> None:
    with pytest.raises(Refused) as caught:
        parse_chat(raw, default_new_tokens=7, max_new_tokens=50)
    assert caught.value.status == 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
KEYS = st.sampled_from(sorted([*GOOD, "temperature", "top_p", "n", "stop", "seed", "stream", "tools",
                               "max_tokens", "stream_options", "logit_bias", "metadata", "x"]))  # fmt: skip


@given(changes=st.dictionaries(KEYS, JSON, max_size=4))
def test_any_json_is_either_taken_or_refused_with_400(changes: dict[str, Any]) -> None:
    try:
        request = _parse(**changes)
    except Refused as refused:
        found, body = refused.status, refused.body()
    else:
        found, body = 200, {"messages": len(request.messages)}
        assert 0 <= request.sampling.seed < 2**63
    assert found in {200, 400}
    json.dumps(body).encode("utf-8")


@given(raw=st.binary(max_size=60))
def test_any_bytes_are_refused_with_400(raw: bytes) -> None:
    with pytest.raises(Refused) as caught:
        parse_chat(raw, default_new_tokens=7, max_new_tokens=50)
    assert caught.value.status == 400
