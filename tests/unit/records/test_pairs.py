"""Preferences of every layout become one pair; what is no preference has a reason."""

import pytest

from tunesmith.records.conversation import Message
from tunesmith.records.pairs import Pair, convert_pair
from tunesmith.records.turns import Refusal

QUESTION = {"role": "user", "content": "q"}
BETTER, WORSE = {"role": "assistant", "content": "good"}, {"role": "assistant", "content": "bad"}
WANTED = Pair((Message("user", "q"),), "good", "bad")


@pytest.mark.parametrize(
    "values",
    [
        {"prompt": "q", "chosen": "good", "rejected": "bad"},
        {"prompt": [QUESTION], "chosen": [BETTER], "rejected": [WORSE]},
        {"prompt": [QUESTION], "chosen": BETTER, "rejected": WORSE},
        {"chosen": [QUESTION, BETTER], "rejected": [QUESTION, WORSE]},
        {"prompt": "q", "chosen": [QUESTION, BETTER], "rejected": [QUESTION, WORSE]},
        {"instruction": "q", "input": "", "chosen": "good", "rejected": "bad"},
        {"messages": [QUESTION], "chosen": "good", "rejected": "bad"},
        {
            "conversations": [{"from": "human", "value": "q"}],
            "chosen": {"from": "gpt", "value": "good"},
            "rejected": {"from": "gpt", "value": "bad"},
        },
    ],
)
def test_every_layout_gives_the_same_pair(values: dict[str, object]) -> None:
    assert convert_pair(values) == WANTED


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"chosen": "good", "rejected": "bad"}, "missing column prompt"),
        ({"prompt": "q", "chosen": "good"}, "missing column rejected"),
        ({"prompt": "q", "chosen": "same", "rejected": "same "}, "equal answers"),
        ({"prompt": "q", "chosen": "", "rejected": "bad"}, "empty output"),
        ({"prompt": " ", "chosen": "good", "rejected": "bad"}, "empty prompt"),
        ({"prompt": [BETTER], "chosen": "good", "rejected": "bad"}, "no question at the end of the prompt"),
        (
            {"chosen": [QUESTION, BETTER], "rejected": [{"role": "user", "content": "z"}, WORSE]},
            "the two answers have different prompts",
        ),
        ({"prompt": "q", "chosen": [QUESTION], "rejected": "bad"}, "no answer at the end"),
        ({"prompt": "q", "chosen": "good", "rejected": "bad", "images": ["x"]}, "image, audio or video"),
    ],
)  # fmt: skip
def test_what_is_no_preference_has_a_reason(values: dict[str, object], reason: str) -> None:
    got = convert_pair(values)
    assert isinstance(got, Refusal)
    assert got.reason == reason
