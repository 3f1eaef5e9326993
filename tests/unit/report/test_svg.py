from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.report import charts
from tunesmith.report.svg import Scale, element, ticks

finite = st.floats(-1e9, 1e9, allow_nan=False)


def test_words_inside_an_element_are_escaped() -> None:
    assert str(element("text", "<b>&", x=1.5, class_='a"b')) == (
        '<text x="1.5" class="a&#34;b">&lt;b&gt;&amp;</text>'
    )


@given(finite, finite)
def test_ticks_lie_within_the_axis_and_are_evenly_spaced(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    found = ticks(low, high)
    assert found
    assert len(found) <= 12
    span = max(abs(low), abs(high), 1e-9)
    if high - low > span * 1e-6:
        assert all(low - span * 1e-6 <= tick <= high + span * 1e-6 for tick in found)


@pytest.mark.parametrize("high", [190.0, 0.0005, 22.0, 3.3, 7.0, 1e-9, 12345.0])
@pytest.mark.parametrize("about", [2, 4, 6])
def test_an_axis_has_two_ticks_at_least(high: float, about: int) -> None:
    assert 2 <= len(ticks(0.0, high, about)) <= 12


@given(finite, finite, finite)
def test_a_scale_never_leaves_its_pixels(value: float, low: float, high: float) -> None:
    scale = Scale(min(low, high), max(low, high), 10, 90)
    assert 10 <= scale(value) <= 90


@pytest.mark.parametrize("points", [[[1, 2.0]], [[1, 2.0], [2, 2.0]], [[0, -1.0], [5, 3.0]]])
def test_a_curve_of_any_length_is_well_formed_xml(points: list[list[float]]) -> None:
    drawn = charts.curves([("train loss", points, "s0")], x_label="step", label="loss")
    ElementTree.fromstring(str(drawn))


def test_bars_are_as_long_as_their_values() -> None:
    rows = [
        {"subject": s, "value": v, "low": v, "high": v, "n": 5} for s, v in (("a", 1.0), ("b", 0.5))
    ]
    drawn = charts.estimates("x", rows, highest=1.0, classes=["s0", "s1"])
    bars = ElementTree.fromstring(str(drawn)).iter("rect")
    whole, half = (float(bar.attrib["width"]) for bar in bars)
    assert half == pytest.approx(whole / 2)
