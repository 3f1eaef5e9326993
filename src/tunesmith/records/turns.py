"""Turns of a conversation from the plain values of a file, or the reason why they cannot be used."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tunesmith.records.conversation import Message, Role

Values = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row is left out; counting is somebody else's work."""

    reason: str
    is_fault: bool = True
    """False for a row that is well formed and merely not wanted, such as a rejected answer."""


EMPTY_OUTPUT: Final = Refusal("empty output", is_fault=False)
EMPTY_PROMPT: Final = Refusal("empty prompt")
TOOL_CALLS: Final = Refusal("tool calls", is_fault=False)
MEDIA: Final = Refusal("image, audio or video", is_fault=False)

_ROLES: Final[dict[str, Role]] = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant",
    "model": "assistant",
    "tool": "tool", "observation": "tool", "function_response": "tool",
}  # fmt: skip
_MEDIA_COLUMNS: Final = ("images", "image", "audios", "audio", "videos", "video")


def as_text(value: object) -> str:
    """A cell as text: text as it is, absent as nothing, numbers and truth values as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def read_turns(value: object) -> tuple[Message, ...] | Refusal:
    """A list of ``{role, content}`` or ``{from, value}`` as messages, in their order."""
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)) or not value:
        return Refusal("no turns")
    messages: list[Message] = []
    for turn in value:
        message = read_turn(turn)
        if isinstance(message, Refusal):
            return message
        messages.append(message)
    return tuple(messages)


def read_turn(turn: object) -> Message | Refusal:
    """One ``{role, content}`` or ``{from, value}``; content may be a list of text parts."""
    if not isinstance(turn, Mapping):
        return Refusal("a turn is not a mapping")
    name = turn.get("role", turn.get("from"))
    if name in ("function_call", "function") or turn.get("tool_calls"):
        return TOOL_CALLS
    role = _ROLES.get(name) if isinstance(name, str) else None
    if role is None:
        return Refusal("unknown role")
    content = turn.get("content", turn.get("value"))
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, Mapping)]
        if len(parts) != len(content) or not all(isinstance(part, str) for part in parts):
            return MEDIA
        content = "".join(part for part in parts if isinstance(part, str))
    if not isinstance(content, str):
        return Refusal("a turn without text")
    return Message(role, content)


def checked(messages: tuple[Message, ...]) -> tuple[Message, ...] | Refusal:
    """``messages`` when a model can be trained on them: turns alternate, the last is an answer.

    An empty system message is left out: it says nothing, and some templates fail on it.
    """
    kept = tuple(m for m in messages if m.role != "system" or m.content.strip())
    if not kept or kept[-1].role != "assistant":
        return Refusal("no answer at the end")
    if not kept[-1].content.strip():
        return EMPTY_OUTPUT
    turns = [message for message in kept if message.role != "system"]
    if any(a.role == b.role != "tool" for a, b in itertools.pairwise(turns)):
        return Refusal("turns do not alternate")
    if any(not message.content.strip() for message in turns):
        return EMPTY_PROMPT
    return kept


def unusable_extras(values: Values) -> Refusal | None:
    """The reason when a row needs more than text: pictures, sound, or tools to call."""
    if any(values.get(name) for name in _MEDIA_COLUMNS):
        return MEDIA
    return TOOL_CALLS if values.get("tools") not in (None, "", "[]", []) else None


def with_system(system: object, turns: Sequence[Message]) -> tuple[Message, ...]:
    """``turns`` after a system message, when there is one."""
    text = as_text(system)
    return (Message("system", text), *turns) if text.strip() else tuple(turns)
