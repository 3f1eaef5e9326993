"""The field's formats are detected and converted; what cannot be used has a reason."""

import pytest

from tunesmith.core.errors import DataError
from tunesmith.records.conversation import Message
from tunesmith.records.formats import REQUIRED, check_columns, converter, detect, unknown_format
from tunesmith.records.turns import Refusal

USER, ANSWER = Message("user", "q"), Message("assistant", "a")
TURNS = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
TALK = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]

SAME = {
    "alpaca": {"instruction": "q", "input": "", "output": "a"},
    "sharegpt": {"conversations": TALK},
    "messages": {"messages": TURNS},
    "prompt-completion": {"prompt": "q", "completion": "a"},
    "kto": {"messages": TURNS, "label": True},
}


@pytest.mark.parametrize("name", SAME)
def test_one_talk_is_the_same_in_every_format(name: str) -> None:
    assert detect(SAME[name]) == name
    assert converter(name)(SAME[name]) == (USER, ANSWER)


@pytest.mark.parametrize("name", SAME)
def test_a_system_column_comes_first(name: str) -> None:
    got = converter(name)({**SAME[name], "system": "be brief"})
    assert got == (Message("system", "be brief"), USER, ANSWER)


def test_text_alone_is_an_answer_without_a_prompt() -> None:
    assert detect({"text": "a"}) == "text"
    assert converter("text")({"text": "a"}) == (ANSWER,)


def test_other_spellings_of_the_same_formats_are_read() -> None:
    assert detect({"conversations": TURNS}) == "messages"
    assert converter("messages")({"conversations": TURNS}) == (USER, ANSWER)
    assert converter("prompt-completion")({"prompt": TURNS[:1], "completion": TURNS[1:]}) == (
        USER,
        ANSWER,
    )
    parts = [{"role": "user", "content": [{"type": "text", "text": "q"}]}, TURNS[1]]
    assert converter("messages")({"messages": parts}) == (USER, ANSWER)


def test_alpaca_joins_its_input_and_its_history() -> None:
    row = {"instruction": "q", "input": "more", "output": "a", "history": [["q0", "a0"]]}
    assert [m.content for m in converter("alpaca")(row)] == ["q0", "a0", "q\nmore", "a"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("alpaca", {"instruction": "q", "output": "  "}, "empty output"),
        ("alpaca", {"instruction": "q", "output": None}, "empty output"),
        ("alpaca", {"instruction": "", "output": "a"}, "empty prompt"),
        ("alpaca", {"output": "a"}, "missing column instruction"),
        ("alpaca", {"instruction": "q", "output": "a", "history": "x"}, "history is not a list"),
        ("sharegpt", {"conversations": TALK[:1]}, "no answer at the end"),
        ("sharegpt", {"conversations": [*TALK[:1], *TALK]}, "turns do not alternate"),
        ("sharegpt", {"conversations": [{"from": "ghost", "value": "x"}]}, "unknown role"),
        ("sharegpt", {"conversations": "hello"}, "no turns"),
        ("sharegpt", {"conversations": TALK, "tools": "[{}]"}, "tool calls"),
        (
            "sharegpt",
            {"conversations": [TALK[0], {"from": "function_call", "value": "{}"}]},
            "tool calls",
        ),
        ("messages", {"messages": TURNS, "images": ["a.png"]}, "image, audio or video"),
        (
            "messages",
            {"messages": [{"role": "user", "content": [{"type": "image"}]}, TURNS[1]]},
            "image, audio or video",
        ),
        ("messages", {"messages": [{"role": "user"}]}, "a turn without text"),
        ("messages", {"messages": ["hello"]}, "a turn is not a mapping"),
        ("kto", {"messages": TURNS, "label": False}, "unwanted answer (label is false)"),
    ],
)
def test_what_cannot_be_used_has_a_reason(
    name: str, values: dict[str, object], reason: str
) -> None:
    got = converter(name)(values)
    assert isinstance(got, Refusal)
    assert got.reason == reason


def test_a_tool_may_speak_twice_and_an_empty_system_message_is_left_out() -> None:
    turns = [
        {"role": "system", "content": " "},
        *TURNS[:1],
        {"role": "tool", "content": "1"},
        {"role": "tool", "content": "2"},
        TURNS[1],
    ]
    got = converter("messages")({"messages": turns})
    assert [m.role for m in got] == ["user", "tool", "tool", "assistant"]  # type: ignore[union-attr]


def test_unknown_columns_are_no_format() -> None:
    assert detect({"question": "q", "answer": "a"}) is None
    error = unknown_format(["question", "answer"], "a.csv")
    assert error.fix.endswith('columns: {prompt: "{question}", completion: "{answer}"}')
    assert "collect-preferences" in unknown_format(["chosen", "rejected"], "a.csv").fix


def test_a_missing_column_is_named_with_the_nearest() -> None:
    with pytest.raises(DataError) as caught:
        check_columns("alpaca", ["instructions", "output"], "a.csv")
    assert caught.value.what == "a.csv has no column `instruction`"
    assert caught.value.fix == "did you mean `instructions`?"
    for name in REQUIRED:
        check_columns(name, REQUIRED[name], "a.csv")
