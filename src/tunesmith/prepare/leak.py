"""Training rows that also stand among the test rows: the same prompt, or long sequences in common.

Source: 13-word sequences, GPT-3, Brown et al. 2020 (arXiv:2005.14165), appendix C. There any one
in common drops a document; here a share of the shorter text must be in common, because rows made
by one template share its words (see `LeakConfig`).
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable

from tunesmith.prepare.config import LeakConfig
from tunesmith.prepare.duplicates import fingerprint, normal_form
from tunesmith.prepare.words import Language, words
from tunesmith.records.conversation import Conversation, Message

SAME_ROW = "same row as a test row"
SAME_PROMPT = "same prompt as a test row"


class LeakIndex:
    """The test rows, indexed for look-up: memory grows with their words, not with training rows."""

    def __init__(self, tests: Iterable[Conversation], config: LeakConfig, language: Language):
        self._config = config
        self._language: Language = language
        self._rows: set[bytes] = set()
        self._prompts: set[bytes] = set()
        self._holders: dict[bytes, list[int]] = defaultdict(list)
        self._row_of_part: list[int] = []
        self._sizes: list[int] = []
        self._common: set[bytes] = set()
        count = 0
        for count, row in enumerate(tests, 1):
            self._rows.add(fingerprint(_said(row)))
            if asked := _said(row)[:-1]:
                self._prompts.add(fingerprint(asked))
            for text in _parts(row):
                self._add(text, count)
        self._forget_common(count)

    def __call__(self, row: Conversation) -> str | None:
        """The reason to drop a training row, or None."""
        said = _said(row)
        if fingerprint(said) in self._rows:
            return SAME_ROW
        if said[:-1] and fingerprint(said[:-1]) in self._prompts:
            return SAME_PROMPT
        if any(self._overlaps(text) for text in _parts(row)):
            return f"{self._config.words}-word sequences in common with a test row"
        return None

    def _add(self, text: str, row: int) -> None:
        part = len(self._sizes)
        grams = self._grams(text)
        self._row_of_part.append(row)
        self._sizes.append(len(grams))
        for gram in grams:
            self._holders[gram].append(part)

    def _forget_common(self, rows: int) -> None:
        """Leave out sequences that many test rows hold: the words of a template."""
        most = max(2.0, self._config.common * rows)
        for gram, parts in list(self._holders.items()):
            if len({self._row_of_part[part] for part in parts}) > most:
                del self._holders[gram]
                self._common.add(gram)
                for part in parts:
                    self._sizes[part] -= 1

    def _overlaps(self, text: str) -> bool:
        grams = self._grams(text) - self._common
        shared = Counter(part for gram in grams for part in self._holders.get(gram, ()))
        return any(
            count >= self._config.share * min(len(grams), self._sizes[part])
            for part, count in shared.items()
        )

    def _grams(self, text: str) -> set[bytes]:
        cut = words(normal_form(text), self._language)
        size = self._config.words
        return {
            hashlib.sha256(" ".join(cut[i : i + size]).encode("utf-8")).digest()[:8]
            for i in range(len(cut) - size + 1)
        }


def _said(row: Conversation) -> list[Message]:
    return [message for message in row.messages if message.role != "system"]


def _parts(row: Conversation) -> list[str]:
    """Each turn by itself, so that an answer found inside a long prompt is found too."""
    return [message.content for message in _said(row)]
