from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tunesmith.report.card import model_card
from tunesmith.report.data import add, empty
from tunesmith.report.facts import NUMBER, SHAPES, TEXT, problem
from tunesmith.report.html import render
from tunesmith.report.story import step_words


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value inside ``value``; of a list only the first item is opened."""
    if isinstance(value, dict):
        for key in value:
            yield (*way, key)
            yield from places(value[key], (*way, key))
    elif isinstance(value, list) and value:
        yield (*way, 0)
        yield from places(value[0], (*way, 0))


def spoilt(body: Any) -> Iterator[Any]:
    """``body`` with each part taken away, or replaced by something of every other type, in turn."""
    for *way, last in places(body):
        for wrong in (None, "word", 5, -1.5, True, [], ["x"], {}, {"x": 1}, ...):
            changed = copy.deepcopy(body)
            inner = changed
            for part in way:
                inner = inner[part]
            if wrong is ...:
                del inner[last]
            else:
                inner[last] = wrong
            yield changed


@pytest.mark.parametrize("name", SHAPES)
def test_no_fact_of_any_shape_can_break_the_page(name: str, report: dict[str, Any]) -> None:
    whole = report[name][0] if isinstance(report[name], list) else report[name]
    for body in [*spoilt(whole), None, 5, "x", [], [[]], {}]:
        shown = {**empty(), "run": report["run"], "stages": report["stages"][:1]}
        add(shown, "train", {"kind": "fact", "name": name, "body": body})
        render(shown)
        model_card(shown)
        step_words(shown, "train")


@pytest.mark.parametrize("name", SHAPES)
def test_the_facts_of_a_whole_run_fit_their_shapes(name: str, report: dict[str, Any]) -> None:
    entries = report[name] if isinstance(report[name], list) else [report[name]]
    assert [problem(entry, SHAPES[name]) for entry in entries] == [None] * len(entries)


def test_a_fact_that_cannot_be_shown_leaves_a_note_that_names_the_key() -> None:
    report = empty()
    add(report, "shrink", {"kind": "fact", "name": "compression", "body": [{"variant": "q8_0"}]})
    assert report["compression"] == []
    assert report["notes"] == [
        {
            "stage": "shrink",
            "text": "what this step told about `compression` is not shown: bytes is missing",
        }
    ]


@pytest.mark.parametrize(
    ("body", "shape", "text"),
    [
        ({"a": 1}, {"a": TEXT}, "a is int"),
        ({"a": {"b": "x"}}, {"a": {"b": NUMBER}}, "a.b is str"),
        ({"a": [1, "x"]}, {"a": [NUMBER]}, "a[1] is str"),
        ({"a": True}, {"a": NUMBER}, "a is bool"),
        ({}, {"a?": TEXT}, None),
        ({"x": 1, "y": "z"}, {"*": NUMBER}, "y is str"),
    ],
)
def test_a_problem_names_its_place(body: Any, shape: Any, text: str | None) -> None:
    assert problem(body, shape) == text
