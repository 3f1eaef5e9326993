"""A problem: a programming task whose answer is checked by running its tests."""

from __future__ import annotations

from dataclasses import dataclass

from tunesmith.core.digest import of_value


@dataclass(frozen=True, slots=True)
class Problem:
    """A function to complete, in the layout of HumanEval (Chen et al. 2021, arXiv:2107.03374)."""

    prompt: str
    """The beginning of the program: imports, signature, docstring."""
    entry_point: str
    """Name of the function that the tests call."""
    tests: str
    """Program text that defines ``check(candidate)``. Untrusted: only a sandbox may run it."""
    solution: str
    """A correct completion of ``prompt``; empty when there is none."""
    source: str
    row: int
    id: str


def identify_problem(prompt: str, source: str, row: int) -> str:
    """A stable id of 16 hex digits from the origin and the prompt."""
    return of_value([source, row, prompt])[:16]
