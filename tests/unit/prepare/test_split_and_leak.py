"""The split is a draw by group; what stands among the test rows is not trained on."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.prepare.config import LeakConfig, SplitConfig
from tunesmith.prepare.leak import SAME_PROMPT, SAME_ROW, LeakIndex
from tunesmith.prepare.split import split_of
from tunesmith.records.conversation import Conversation, Message

Make = Callable[..., Conversation]
STORY = (
    "the old woman who lived beside the river had seven goats and a blue door that never closed "
    "because the wind of the valley always found a way to lift its heavy iron latch at night"
)


def row(group: str, question: str = "q") -> Conversation:
    return Conversation((Message("user", question), Message("assistant", "a")), "s", 0, "i", group)


@given(st.text(min_size=1), st.text(), st.text())
def test_rows_of_one_group_stay_together(group: str, one: str, two: str) -> None:
    assert split_of(row(group, one), SplitConfig()) == split_of(row(group, two), SplitConfig())


@given(st.text())
def test_rows_of_one_prompt_stay_together_without_a_group(question: str) -> None:
    other = Conversation(
        (Message("system", "be brief"), Message("user", f" {question.upper().lower()} "), Message("assistant", "z")),
        "other", 9, "j",
    )  # fmt: skip
    if question.casefold() == question.upper().lower().casefold():
        assert split_of(row("", question), SplitConfig()) == split_of(other, SplitConfig())


def test_shares_are_met_in_the_long_run() -> None:
    drawn = Counter(split_of(row(str(i)), SplitConfig()) for i in range(20_000))
    assert drawn["train"] / 20_000 == pytest.approx(0.65, abs=0.015)
    assert drawn["test"] / 20_000 == pytest.approx(0.25, abs=0.015)


def test_other_shares_of_training_and_validation_leave_the_test_rows() -> None:
    one, two = SplitConfig(), SplitConfig(train=0.5, valid=0.25, test=0.25)
    for i in range(500):
        assert (split_of(row(str(i)), one) == "test") == (split_of(row(str(i)), two) == "test")


def test_without_a_test_share_every_row_is_for_training() -> None:
    config = SplitConfig(salt="x").without_test()
    assert {split_of(row(str(i)), config) for i in range(300)} == {"train"}
    assert config.salt == "x"


def test_another_process_draws_the_same() -> None:
    code = (
        "from tunesmith.prepare.config import SplitConfig as S; from tunesmith.prepare.split import split_of as f;"
        "from tunesmith.records.conversation import *;"
        "print(*(f(Conversation((Message('user', 'q'),), 's', 0, 'i', str(i)), S()) for i in range(50)))"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert seen == {" ".join(split_of(row(str(i)), SplitConfig()) for i in range(50)) + "\n"}


def index(*tests: Conversation, **settings: float) -> LeakIndex:
    return LeakIndex(tests, LeakConfig.model_validate(settings), "en")


def test_the_same_row_and_the_same_prompt_leak(conversation: Make) -> None:
    leak = index(conversation("What is it?", "A knee."))
    assert leak(conversation("what is it", "a knee")) == SAME_ROW
    assert leak(conversation("What is it?", "An elbow.")) == SAME_PROMPT
    assert leak(conversation("What was it?", "A knee.")) is None


def test_a_long_answer_inside_another_prompt_leaks(conversation: Make) -> None:
    leak = index(conversation("Tell me a story.", STORY))
    longer = " ".join(f"word{i}" for i in range(300))
    assert leak(conversation(f"{longer} {STORY} {longer}", "Summary.")) is not None
    assert leak(conversation(longer, "Summary.")) is None


@pytest.mark.parametrize(("share", "leaks"), [(0.4, True), (0.6, False)])
def test_half_of_a_text_is_a_leak_only_below_its_share(
    conversation: Make, share: float, leaks: bool
) -> None:
    words = [f"w{i}" for i in range(112)]  # 100 sequences of 13
    half = words[:62] + [f"x{i}" for i in range(50)]  # 50 of them in common
    leak = index(conversation("q", " ".join(words)), share=share)
    assert (leak(conversation("p", " ".join(half))) is not None) == leaks


def test_the_words_of_a_template_are_no_leak(conversation: Make) -> None:
    template = f"{STORY} Read the story above and then answer this question in one short sentence: "
    tests = [conversation(template + f"question number {i}", f"a{i}") for i in range(20)]
    leak = index(*tests)
    assert leak(conversation(template + "another question", "b")) is None
    assert index(*tests, common=1.0)(conversation(template + "another question", "b")) is not None


def test_common_short_answers_are_no_leak(conversation: Make) -> None:
    leak = index(*(conversation(f"Allergies of patient {i}?", "None.") for i in range(9)))
    assert leak(conversation("Allergies of patient 77?", "None.")) is None


def test_without_test_rows_nothing_leaks(conversation: Make) -> None:
    assert index()(conversation("What is it?", STORY)) is None


@given(st.lists(st.text("ab ", max_size=30), max_size=6))
def test_a_test_row_itself_always_leaks(texts: list[str]) -> None:
    rows = [row("", text) for text in texts]
    leak = index(*rows)
    assert all(leak(each) is not None for each in rows)
