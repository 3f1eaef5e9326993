"""What tunesmith needs of a tokenizer, and the digest of its chat template."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from tunesmith.core.digest import of_bytes
from tunesmith.core.errors import ModelError


class Tokenizer(Protocol):
    """The part of a Transformers tokenizer that is used here."""

    chat_template: str | None
    pad_token_id: int | None
    eos_token_id: int | None

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]: ...

    def decode(self, ids: Sequence[int]) -> str: ...

    def apply_chat_template(
        self, conversation: list[dict[str, str]], *, tokenize: bool, add_generation_prompt: bool
    ) -> str: ...


def template_digest(template: str | None) -> str:
    """SHA-256 of a chat template's text, 64 hex digits; of the empty text when there is none."""
    return of_bytes((template or "").encode("utf-8"))


def read_template(folder: Path) -> str | None:
    """The chat template of a model folder: ``chat_template.jinja``, else tokenizer_config.json's.

    Raises:
        ModelError: when neither can be read, or the folder has several named templates.

    """
    alone = folder / "chat_template.jinja"
    config = folder / "tokenizer_config.json"
    try:
        if alone.exists():
            return alone.read_text(encoding="utf-8")
        body = json.loads(config.read_text(encoding="utf-8")) if config.exists() else {}
    except (OSError, ValueError) as error:
        raise ModelError(
            f"the chat template in {folder} cannot be read: {error}",
            why="rows are written in the model's own chat template",
            fix="restore chat_template.jinja or tokenizer_config.json from the model's publisher",
            code="chat-template",
        ) from error
    template = body.get("chat_template")
    if template is not None and not isinstance(template, str):
        raise ModelError(
            f"{config} has several chat templates",
            why="training and serving must use one and the same template",
            fix="keep the one to use as text in `chat_template`",
            code="chat-template",
        )
    return template


def check_template(folder: Path, digest: str) -> None:
    """Refuse a model folder whose chat template is not the one with this digest.

    Raises:
        ModelError: naming both digests.

    """
    found = template_digest(read_template(folder))
    if found != digest:
        raise ModelError(
            f"the chat template of {folder} is {found[:12]}, but training used {digest[:12]}",
            why="with another template the model sees prompts it was never trained on",
            fix="use the tokenizer files of the model that was tuned, or tune again",
            code="template-mismatch",
        )
