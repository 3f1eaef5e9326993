"""Words that a model repeats from a text that its prompt does not hold."""

from __future__ import annotations

from collections.abc import Sequence

from tunesmith.metrics.words import words


def longest_run(answer: str, original: str, prompt: str) -> int:
    """Most words in a row of ``answer`` that stand so in ``original`` and not in ``prompt``.

    A run that the prompt holds too is copied from the prompt, not remembered. A Chinese
    character counts as a word.
    """
    said, known, given = words(answer), words(original), words(prompt)
    best = 0
    for length in range(1, min(len(said), len(known)) + 1):
        common = _runs(said, length) & _runs(known, length)
        if not common:
            break  # a longer common run would hold this one
        if not common <= _runs(given, length):
            best = length
    return best


def _runs(of_words: Sequence[str], length: int) -> set[tuple[str, ...]]:
    return {tuple(of_words[i : i + length]) for i in range(len(of_words) - length + 1)}
