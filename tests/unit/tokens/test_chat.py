from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunesmith.core.errors import DataError, ModelError
from tunesmith.integrations.transformers import load_tokenizer
from tunesmith.records.conversation import Message
from tunesmith.tokens.chat import encode, encode_prompt, label_spans
from tunesmith.tokens.tokenizer import check_template, read_template, template_digest

QUESTION = Message("user", "How are you?")
ANSWER = Message("assistant", "Well.")


def test_the_answer_and_its_end_of_turn_are_learnt_and_nothing_else(tiny_folder: Path) -> None:
    spans = label_spans(
        encode([QUESTION, ANSWER], load_tokenizer(tiny_folder)), _tokenizer(tiny_folder)
    )
    assert [text for text, is_label in spans if is_label] == ["Well.<|im_end|>"]
    assert spans[0][0].endswith("<|im_start|>assistant\n")


def test_every_answer_is_learnt_when_asked(tiny_folder: Path) -> None:
    tokenizer = _tokenizer(tiny_folder)
    turns = [QUESTION, ANSWER, Message("user", "And now?"), Message("assistant", "Better.")]
    learnt = [
        t
        for t, is_label in label_spans(encode(turns, tokenizer, learn="every"), tokenizer)
        if is_label
    ]
    assert learnt == ["Well.<|im_end|>", "Better.<|im_end|>"]
    learnt = [t for t, is_label in label_spans(encode(turns, tokenizer), tokenizer) if is_label]
    assert learnt == ["Better.<|im_end|>"]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(prompt=st.text(min_size=1, max_size=30), answer=st.text(min_size=1, max_size=30))
def test_the_ids_before_the_labels_are_those_that_serving_sends(
    tiny_folder: Path, prompt: str, answer: str
) -> None:
    tokenizer = _tokenizer(tiny_folder)
    encoded = encode([Message("user", prompt), Message("assistant", answer)], tokenizer)
    first = encoded.is_label.index(True)
    assert list(encoded.ids[:first]) == encode_prompt([Message("user", prompt)], tokenizer)
    assert all(encoded.is_label[first:])


def test_an_answer_equal_to_the_end_of_turn_is_still_learnt_by_position(tiny_folder: Path) -> None:
    tokenizer = _tokenizer(tiny_folder)
    encoded = encode([QUESTION, Message("assistant", "<|im_end|>")], tokenizer)
    assert encoded.labels == 2
    assert encoded.ids[-2:] == (tokenizer.eos_token_id, tokenizer.eos_token_id)


def test_a_row_that_does_not_end_with_an_answer_is_named(tiny_folder: Path) -> None:
    with pytest.raises(DataError, match=r"a\.csv row 3 does not end with an answer") as raised:
        encode([QUESTION], _tokenizer(tiny_folder), name="a.csv row 3")
    assert raised.value.code == "row-without-answer"


def test_a_template_that_rewrites_earlier_turns_is_refused_for_every_but_not_for_last(
    tiny_folder: Path,
) -> None:
    tokenizer = _tokenizer(tiny_folder)
    tokenizer.chat_template = (
        "{% for m in messages %}[{{ m.role }}]{% if m.role == 'user' or loop.last %}{{ m.content }}"
        "{% endif %}[end]{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    turns = [QUESTION, ANSWER, QUESTION, ANSWER]
    assert encode(turns, tokenizer).labels == len("Well.[end]")
    with pytest.raises(ModelError, match="rewrites earlier turns"):
        encode(turns, tokenizer, learn="every")


def test_a_tokenizer_without_a_template_is_refused(tiny_folder: Path) -> None:
    tokenizer = _tokenizer(tiny_folder)
    tokenizer.chat_template = None
    with pytest.raises(ModelError, match="no chat template"):
        encode([QUESTION, ANSWER], tokenizer)


def test_a_template_that_refuses_a_role_is_told_with_the_roles(tiny_folder: Path) -> None:
    tokenizer = _tokenizer(tiny_folder)
    tokenizer.chat_template = "{{ raise_exception('no system turn') }}"
    with pytest.raises(ModelError, match="no system turn") as raised:
        encode([QUESTION, ANSWER], tokenizer)
    assert "user" in raised.value.why


def test_the_templates_digest_is_of_the_text_the_tokenizer_uses(
    tiny_folder: Path, tmp_path: Path
) -> None:
    text = read_template(tiny_folder)
    assert text == _tokenizer(tiny_folder).chat_template
    check_template(tiny_folder, template_digest(text))
    (tmp_path / "chat_template.jinja").write_text("another")
    with pytest.raises(ModelError, match="but training used") as raised:
        check_template(tmp_path, template_digest(text))
    assert raised.value.code == "template-mismatch"


def _tokenizer(folder: Path):
    return load_tokenizer(folder)
