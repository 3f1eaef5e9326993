"""Conversations to token ids with the tokenizer's own chat template, and which of them are learnt.

Labels are found by position: where an answer begins and ends in the text that the template writes.
They are never found by an id, because padding and end of turn are one id in many models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from jinja2 import TemplateError

from tunesmith.core.errors import DataError, ModelError
from tunesmith.records.conversation import Message
from tunesmith.tokens.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of one row, and for each whether the model learns to write it."""

    ids: tuple[int, ...]
    is_label: tuple[bool, ...]
    name: str = ""
    """What errors call the row: its source and number."""

    @property
    def labels(self) -> int:
        """Number of tokens that are learnt."""
        return sum(self.is_label)


def encode(
    messages: Sequence[Message],
    tokenizer: Tokenizer,
    *,
    learn: Literal["last", "every"] = "last",
    name: str = "",
) -> Encoded:
    """Ids up to the end of the last answer; labels on the answers and their end-of-turn tokens.

    ``last`` learns the last message, which is the assistant's; ``every`` learns each assistant turn.
    The ids before a label are those that `encode_prompt` gives for the same messages.

    Raises:
        DataError: when the last message is not the assistant's, or nothing is left to learn.
        ModelError: when there is no template, or it refuses or rewrites the messages.

    """
    if not messages or messages[-1].role != "assistant":
        raise _nothing_to_learn(name, "does not end with an answer of the assistant")
    answers = [i for i, message in enumerate(messages) if message.role == "assistant"]
    chosen = answers if learn == "every" else answers[-1:]
    text, cuts = "", []
    for i in chosen:
        prompt = render(messages[:i], tokenizer, for_answer=True)
        whole = render(messages[: i + 1], tokenizer, for_answer=False)
        if not whole.startswith(prompt) or not prompt.startswith(text):
            raise _rewrites(name)
        text = _to_end_of_turn(whole, len(prompt), messages[i].content.strip())
        cuts += [len(prompt), len(text)]
    ids, is_label = _cut(text, cuts, tokenizer)
    if not any(is_label):
        raise _nothing_to_learn(name, "has no token to learn")
    return Encoded(tuple(ids), tuple(is_label), name)


def encode_prompt(messages: Sequence[Message], tokenizer: Tokenizer) -> list[int]:
    """Ids of the messages and of the words that open the assistant's turn."""
    text = render(messages, tokenizer, for_answer=True)
    return tokenizer.encode(text, add_special_tokens=False)


def label_spans(encoded: Encoded, tokenizer: Tokenizer) -> list[tuple[str, bool]]:
    """The row as pieces of text in order, each with whether it is learnt; neighbours differ."""
    spans: list[tuple[str, bool]] = []
    start = 0
    for i in range(1, len(encoded.ids) + 1):
        if i == len(encoded.ids) or encoded.is_label[i] != encoded.is_label[start]:
            spans.append((tokenizer.decode(encoded.ids[start:i]), encoded.is_label[start]))
            start = i
    return spans


def render(messages: Sequence[Message], tokenizer: Tokenizer, *, for_answer: bool) -> str:
    """The messages as the tokenizer's own template writes them.

    Raises:
        ModelError: when there is no template, or it refuses these messages.

    """
    if not tokenizer.chat_template:
        raise ModelError(
            "the tokenizer has no chat template",
            why="a guessed template trains on prompts that serving will never send",
            fix="use an instruction-tuned model, or add chat_template.jinja to the model folder",
            code="chat-template",
        )
    try:
        return tokenizer.apply_chat_template(
            [{"role": message.role, "content": message.content} for message in messages],
            tokenize=False,
            add_generation_prompt=for_answer,
        )
    except TemplateError as error:
        raise ModelError(
            f"the chat template refuses a row: {error}",
            why=f"its turns are {', '.join(message.role for message in messages)}",
            fix="bring the rows into turns that this model's template knows",
            code="chat-template",
        ) from error


def _to_end_of_turn(whole: str, start: int, content: str) -> str:
    """Without the white space that some templates write after the end of the turn.

    It comes after the token at which generation stops, so the model would never write it.
    """
    after = whole[max(start, whole.find(content, start)) + len(content) :]
    return whole.rstrip() if after.strip() else whole


def _cut(text: str, cuts: Sequence[int], tokenizer: Tokenizer) -> tuple[list[int], list[bool]]:
    """Ids of ``text``, learnt between the 1st and 2nd cut, the 3rd and 4th, and so on.

    The text is read whole, so that its tokens are those of a whole row. Where a token would cross
    the beginning of an answer it is read in pieces instead: the prompt must end as in serving.
    """
    whole = tokenizer.encode(text, add_special_tokens=False)
    heads = [tokenizer.encode(text[:cut], add_special_tokens=False) for cut in cuts]
    if all(whole[: len(head)] == head for head in heads):
        marks = [len(head) for head in heads]
        ids = whole
    else:
        ids, marks, at = [], [], 0
        for cut in cuts:
            ids += tokenizer.encode(text[at:cut], add_special_tokens=False)
            marks.append(len(ids))
            at = cut
    is_label = [False] * len(ids)
    for start, end in zip(marks[::2], marks[1::2], strict=True):
        is_label[start:end] = [True] * (end - start)
    return ids, is_label


def _nothing_to_learn(name: str, what: str) -> DataError:
    return DataError(
        f"{name or 'the row'} {what}",
        why="the last message is what the model learns to write",
        fix="map the answer's column in the settings of `data`, or drop the row",
        code="row-without-answer",
    )


def _rewrites(name: str) -> ModelError:
    return ModelError(
        f"the chat template rewrites earlier turns of {name or 'a row'}",
        why="the text before an answer must be what serving sends when it asks for that answer",
        fix="set train.learn to 'last', or use a template that only appends",
        code="chat-template-rewrites",
    )
