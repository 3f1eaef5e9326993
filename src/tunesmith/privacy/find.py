"""Every detector over one text: spans without overlap, and the text with constants in their place.

Constants, not invented values: two copies of one text stay equal, so duplicates are still found
after masking, and nothing that looks like a person's data can be learnt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from tunesmith.privacy.email import addresses
from tunesmith.privacy.identity import identities
from tunesmith.privacy.phone import numbers
from tunesmith.privacy.plain import plain
from tunesmith.privacy.span import PrivateKind, Span

CONSTANTS: Final[dict[PrivateKind, str]] = {"EMAIL": "[EMAIL]", "PHONE": "[PHONE]", "ID": "[ID]"}

# In order of trust: a span of an earlier detector wins over one that overlaps it. The check of an
# identity number is stronger than the shape of a telephone number inside it.
_DETECTORS: Final[tuple[tuple[PrivateKind, Callable[[str], Iterator[tuple[int, int]]]], ...]] = (
    ("ID", identities),
    ("EMAIL", addresses),
    ("PHONE", numbers),
)


def find(text: str) -> list[Span]:
    """Private data in ``text``, in order and without overlap; offsets are those of ``text``."""
    flat = plain(text)
    taken = bytearray(len(flat.text))
    found: list[tuple[int, int, PrivateKind]] = []
    for kind, detect in _DETECTORS:
        for start, end in sorted(detect(flat.text), key=lambda span: (span[0], -span[1])):
            if taken.find(1, start, end) < 0:
                taken[start:end] = b"\1" * (end - start)
                found.append((start, end, kind))
    return [Span(*flat.back(start, end), kind) for start, end, kind in sorted(found)]


def mask(text: str) -> str:
    """``text`` with a constant such as ``[EMAIL]`` in the place of each span."""
    return masked(text)[0]


def masked(text: str) -> tuple[str, Counter[str]]:
    """The masked text, and how many spans of each kind were masked."""
    spans = find(text)
    if not spans:
        return text, Counter()
    parts: list[str] = []
    position = 0
    for span in spans:
        parts += [text[position : span.start], CONSTANTS[span.kind]]
        position = span.end
    return "".join([*parts, text[position:]]), Counter(span.kind for span in spans)
