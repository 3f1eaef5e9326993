"""Lookup tables whose values are ``"package.module:Name"``: nothing is imported until it is used."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib import import_module


def resolve(target: str) -> object:
    """The object behind ``"package.module:Name"``."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like ``word``, or None when nothing is near."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else None
