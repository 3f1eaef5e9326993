from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from tunesmith.report import figures
from tunesmith.report.data import empty
from tunesmith.report.html import SECTIONS, render

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ 77*77 }}"


class Page(HTMLParser):
    """Tags with attributes, and the text outside of style sheets."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "input", "br", "path", "circle"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_every_section_is_shown_for_a_whole_run(report: dict[str, Any]) -> None:
    ids = {
        attributes.get("id") for tag, attributes in Page(render(report)).tags if tag == "section"
    }
    assert ids == set(SECTIONS)


def test_a_run_that_has_only_just_begun_has_a_page() -> None:
    begun = empty()
    begun["run"] = {"id": "20270401-1", "started": 1.8e9, "status": "failed", "seed": 7,
                    "error": {"what": "the disk is full"}}  # fmt: skip
    text = Page(render(begun)).text
    assert "The run failed: the disk is full." in text


@pytest.mark.parametrize(
    "path",
    [
        ("answers", 0, "answer"), ("answers", 0, "prompt"), ("answers", 0, "expected"),
        ("answers", 0, "subject"), ("gates", 0, "reason"), ("gates", 0, "name"),
        ("gates", 5, "accepted"), ("metrics", 0, "subject"), ("metrics", 0, "scorer"),
        ("metrics", 0, "name"), ("accounting", 2, "step"), ("notes", 0, "text"),
        ("run", "project"), ("run", "status"), ("plan", "reason"), ("serving", "engine"),
        ("compression", 1, "variant"), ("compression", 1, "parity"), ("stages", 0, "name"),
        ("curves", 0, "series"), ("lineage", "nodes", 0, "name"), ("renewal", 0, "reason"),
        ("data", 0, "drops", 0, "text"), ("data", 0, "lengths", "unit"),
        ("health", "objectives", 0, "name"), ("model", "source"),
        ("verdict", "reason"), ("renewal", 0, "candidate"), ("paired", 0, "name"), ("training", 0, "method"),
    ],
)  # fmt: skip
def test_hostile_text_stays_text(report: dict[str, Any], path: tuple[Any, ...]) -> None:
    *way, last = path
    place: Any = report
    for part in way:
        place = place[part]
    place[last] = HOSTILE
    page = Page(render(report))
    assert not {"script", "img", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert "5929" not in page.text


def test_hostile_keys_stay_text(report: dict[str, Any]) -> None:
    report["accounting"][2]["dropped"] = {HOSTILE: 4}
    report["data"][0]["private"] = {HOSTILE: 1}
    report["data"][0]["splits"] = {HOSTILE: 1}
    report["run"]["settings"] = {HOSTILE: HOSTILE}
    report["health"]["latency"] = {HOSTILE: {"p50": 1.0}}
    assert "script" not in {tag for tag, _ in Page(render(report)).tags}


def test_the_page_asks_nothing_of_the_outside(report: dict[str, Any]) -> None:
    html = render(report)
    page = Page(html)
    links = [a.get(n) for _, a in page.tags for n in ("href", "src", "action", "data") if n in a]
    assert all(link and link.startswith("#") for link in links)
    style = html[html.index("<style>") : html.index("</style>")]
    assert not re.search(r"url\(|@import|//", style)
    assert not [v for _, a in page.tags for v in a.values() if v and v.startswith(("http", "//"))]
    assert "default-src 'none'" in html


def test_every_metric_is_on_the_page_with_its_interval(report: dict[str, Any]) -> None:
    text = Page(render(report)).text
    for metric in report["metrics"]:
        assert figures.number(metric["value"]) in text
        assert figures.interval(metric["low"], metric["high"]) in text


def test_numbers_of_plan_compression_and_accounting_are_those_of_the_dictionary(
    report: dict[str, Any],
) -> None:
    text = Page(render(report)).text
    for candidate in report["plan"]["candidates"]:
        assert figures.size(candidate["memory_bytes"]) in text
        assert figures.duration(candidate["seconds"]) in text
    for variant in report["compression"]:
        assert figures.size(variant["bytes"]) in text
        assert figures.number(variant["tokens_per_second"]) in text
    for step in report["accounting"]:
        if step["stage"] == "prepare":
            assert f"{step['rows_in']} → {step['rows_out']}" in text
    assert "collect: read 100" in text


def test_the_headline_tells_the_gain_and_the_gates(report: dict[str, Any]) -> None:
    assert (
        "Tuning lifted ROUGE-1 from 0.080 to 0.236 on 25 held-out rows; "
        "6 of 7 gates passed, “latency P99” did not."
    ) in Page(render(report)).text


def test_no_braces_of_raw_json_are_on_the_page(report: dict[str, Any]) -> None:
    assert not re.search(r"[{}]|\bNone\b|\bTrue\b|\bnull\b", Page(render(report)).text)


def test_every_picture_says_what_it_shows(report: dict[str, Any]) -> None:
    pictures = [a for tag, a in Page(render(report)).tags if tag == "svg"]
    assert pictures
    assert all(a.get("aria-label") or a.get("aria-hidden") for a in pictures)


def test_steps_that_did_not_run_are_counted_and_not_drawn(report: dict[str, Any]) -> None:
    for stage in report["stages"][12:]:
        stage["status"] = "waiting"
    text = Page(render(report)).text
    assert "8 further steps of the recipe did not run." in text
    report["run"]["status"] = "running"
    assert "did not run" not in Page(render(report)).text
