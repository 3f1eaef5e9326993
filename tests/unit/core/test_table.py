"""Lookup tables of "module:Name"."""

from __future__ import annotations

import json

import pytest

from tunesmith.core.table import nearest, resolve


def test_a_name_is_resolved_to_the_object_behind_it() -> None:
    assert resolve("json:loads") is json.loads


@pytest.mark.parametrize(
    ("word", "near"), [("evalute", "evaluate"), ("serv", "serve"), ("zzz", None)]
)
def test_the_nearest_word_is_found_or_none_is(word: str, near: str | None) -> None:
    assert nearest(word, ["evaluate", "serve", "train"]) == near
