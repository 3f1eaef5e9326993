"""Repeated lines and word sequences, as shares of a text. Pure: text in, reason out.

Source: Gopher, Rae et al. 2021 (arXiv:2112.11446), table A1. Shares are of characters in words
(spaces are not counted), so that one share means the same in English and in Chinese.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from tunesmith.prepare.config import RepetitionConfig
from tunesmith.prepare.words import Language, words

Rule = Callable[[str], str | None]
"""A text -> the reason to drop it, or None to keep it."""


def repetition(config: RepetitionConfig, language: Language) -> Rule:
    """Keep texts whose repetition is within every limit of ``config``; the first broken one is named."""
    top = {2: config.top_2_gram, 3: config.top_3_gram, 4: config.top_4_gram}
    again = {5: config.duplicate_5_grams, 10: config.duplicate_10_grams}
    # Most Chinese words are two ideographs long, so n words are 2 n units.
    units = 2 if language == "zh" else 1

    def rule(text: str) -> str | None:
        cut = words(text, language)
        if len(cut) < config.words_at_least:
            return None
        lines, characters = duplicate_lines(text)
        if lines > config.duplicate_lines:
            return f"duplicate lines > {config.duplicate_lines:g}"
        if characters > config.duplicate_line_characters:
            return f"characters in duplicate lines > {config.duplicate_line_characters:g}"
        for n, limit in top.items():
            if top_n_gram(cut, n * units) > limit:
                return f"top {n}-gram > {limit:g}"
        for n, limit in again.items():
            if duplicate_n_grams(cut, n * units) > limit:
                return f"duplicate {n}-grams > {limit:g}"
        return None

    return rule


def duplicate_lines(text: str) -> tuple[float, float]:
    """Shares of non-empty lines, and of their characters, that repeat an earlier line; 0 if none."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    seen: set[str] = set()
    count = characters = 0
    for line in lines:
        if line in seen:
            count += 1
            characters += len(line)
        seen.add(line)
    if not lines:
        return 0.0, 0.0
    return count / len(lines), characters / sum(len(line) for line in lines)


def top_n_gram(cut: list[str], n: int) -> float:
    """Share of characters in the sequence of ``n`` words that covers most; 0 when none repeats.

    Occurrences that overlap count once each, as in "ha ha ha"; the share stays at most 1.
    """
    counts = Counter(zip(*(cut[i:] for i in range(n)), strict=False))
    if not counts:
        return 0.0
    total = sum(len(word) for word in cut)
    most = max(
        (sum(len(word) for word in gram) * count for gram, count in counts.items() if count > 1),
        default=0,
    )
    return min(most / total, 1.0)


def duplicate_n_grams(cut: list[str], n: int) -> float:
    """Share of characters in sequences of ``n`` words that came before; overlaps count once."""
    seen: set[tuple[str, ...]] = set()
    repeated = position = 0
    while position + n <= len(cut):
        gram = tuple(cut[position : position + n])
        if gram in seen:
            repeated += sum(len(word) for word in gram)
            position += n
        else:
            seen.add(gram)
            position += 1
    total = sum(len(word) for word in cut)
    return repeated / total if total else 0.0
