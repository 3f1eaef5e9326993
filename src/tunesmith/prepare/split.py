"""Which split a row belongs to: a draw that depends on the row's group and on nothing else.

Source: the usual hash split (as in TensorFlow Datasets and in scikit-learn's user guide on data
that grows): rows that come later never move the ones that are there.
"""

from __future__ import annotations

import hashlib
from typing import Final, Literal

from tunesmith.prepare.config import SplitConfig
from tunesmith.prepare.duplicates import normal_form
from tunesmith.records.conversation import Conversation

Split = Literal["train", "valid", "test"]
SPLITS: Final[tuple[Split, ...]] = ("train", "valid", "test")


def split_of(row: Conversation, config: SplitConfig) -> Split:
    """The split of ``row``; rows of one group, or of one prompt when they have none, stay together.

    The test share lies at one end of the draw and the training share at the other, so that moving
    rows between training and validation leaves the test rows as they are.
    """
    draw = _draw(f"{config.salt}\0{group_of(row)}")
    if draw < config.test:
        return "test"
    return "valid" if draw < config.test + config.valid else "train"


def group_of(row: Conversation) -> str:
    """The row's group; without one, its prompt (a text without a prompt: the text) in normal form."""
    if row.group:
        return f"group {row.group}"
    turns = [message.content for message in row.prompt if message.role != "system"]
    return f"prompt {normal_form(' '.join(turns or [row.answer]))}"


def _draw(key: str) -> float:
    """A number of [0, 1) that looks random and is always the same for ``key``."""
    return int.from_bytes(hashlib.sha256(key.encode("utf-8")).digest()[:7], "big") / 2**56
