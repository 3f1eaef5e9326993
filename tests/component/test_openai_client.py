"""OpenAI's own client against a running server on the tiny model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tunesmith.core.config import Resources
from tunesmith.integrations.transformers_engine import TransformersEngine
from tunesmith.ports import Sampling
from tunesmith.records.conversation import Message
from tunesmith.serve.config import ServerConfig
from tunesmith.serve.server import Server, Setup, serve

ASKED = [{"role": "user", "content": "Hello there"}]


@pytest.fixture(scope="module")
def server(tiny_folder: Path) -> Iterator[Server]:
    running = serve(
        tiny_folder, port=0, api_key="secret", engine="transformers",
        setup=Setup(config=ServerConfig(slots=2), resources=Resources(threads=1)),
    )  # fmt: skip
    yield running
    running.close()


@pytest.fixture
def client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="secret", max_retries=0) as client:
        yield client


def test_a_whole_answer_equals_that_of_the_engine(client: openai.OpenAI, tiny_folder: Path) -> None:
    reply = client.chat.completions.create(
        model="tunesmith",
        messages=ASKED,
        max_tokens=12,
        temperature=0,  # type: ignore[arg-type]
    )
    engine = TransformersEngine(tiny_folder, resources=Resources(threads=1))
    [own] = engine.generate([[Message("user", "Hello there")]], Sampling(max_new_tokens=12))
    engine.close()
    assert reply.choices[0].message.content == own.text
    assert reply.choices[0].finish_reason == own.finish_reason
    assert reply.usage is not None
    assert reply.usage.prompt_tokens == own.prompt_tokens
    assert reply.usage.completion_tokens == own.completion_tokens


def test_a_streamed_answer_joins_to_the_whole_one(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(
        model="tunesmith",
        messages=ASKED,
        max_tokens=12,
        temperature=0,  # type: ignore[arg-type]
    )
    stream = client.chat.completions.create(
        model="tunesmith", messages=ASKED, max_tokens=12, temperature=0, stream=True,  # type: ignore[arg-type]
        stream_options={"include_usage": True},
    )  # fmt: skip
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] in {"stop", "length"}


def test_a_seed_repeats_a_sampled_answer(client: openai.OpenAI) -> None:
    def sampled(seed: int) -> str | None:
        reply = client.chat.completions.create(
            model="tunesmith",
            messages=ASKED,
            max_tokens=12,
            temperature=1.0,
            seed=seed,  # type: ignore[arg-type]
        )
        return reply.choices[0].message.content

    assert sampled(5) == sampled(5)
    assert len({sampled(seed) for seed in range(4)}) > 1


def test_the_model_is_listed_and_others_are_not_found(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["tunesmith"]
    assert client.models.retrieve("tunesmith").id == "tunesmith"
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.chat.completions.create(model="gpt-4o", messages=ASKED)  # type: ignore[arg-type]


def test_a_wrong_key_is_refused(server: Server) -> None:
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="wrong", max_retries=0)
    with client, pytest.raises(openai.AuthenticationError):
        client.models.list()


def test_more_than_one_answer_is_refused_with_the_remedy(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="send the request n times") as caught:
        client.chat.completions.create(model="tunesmith", messages=ASKED, n=2)  # type: ignore[arg-type]
    assert caught.value.param == "n"
