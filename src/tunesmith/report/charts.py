"""The report's charts, drawn as SVG by hand: about as wide as a phone, so that text stays readable.

Colours come from classes (``s0``, ``s1`` ... for series); the style sheet gives each a light and
a dark value. Every mark carries a ``title`` with its exact numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup

from tunesmith.report import figures
from tunesmith.report.svg import Scale, element, line, picture, text, tick_label, ticks

WIDTH: Final = 400
_NARROW: Final = 300
"""Width of charts that stand three in a row."""
_ROW: Final = 34


def estimates(
    name: str, rows: Sequence[Mapping[str, Any]], *, highest: float, classes: Sequence[str]
) -> Markup:
    """One bar for each subject with its interval as a whisker and its value in figures.

    ``highest`` is the right end of the scale, shared by charts that are read side by side.
    """
    x = Scale(0.0, highest, 0.0, 242.0)
    marks: list[Markup] = []
    for i, (row, class_) in enumerate(zip(rows, classes, strict=True)):
        top = i * _ROW
        told = element("title", f"{row['subject']}: {figures.estimate(row)}")
        middle = top + 24.0
        marks += [
            text(0, top + 12, row["subject"], "label"),
            element(
                "rect", told, x=0, y=top + 17, width=max(x(row["value"]), 1.5), height=14, rx=3,
                class_=class_,
            ),
            *_whisker(x, row, middle),
            text(
                max(x(row["high"]), x(row["value"])) + 7, middle + 4.5,
                figures.number(row["value"]), "value",
            ),
        ]  # fmt: skip
    height = len(rows) * _ROW + 4
    label = f"{name}: " + "; ".join(f"{r['subject']} {figures.estimate(r)}" for r in rows)
    return picture(_NARROW, height, marks, label=label)


def curves(
    series: Sequence[tuple[str, Sequence[Sequence[float]], str]],
    *,
    x_label: str,
    label: str,
    height: int = 300,
    from_zero: bool = False,
) -> Markup:
    """Lines over one pair of axes; each is (name, points [x, y], class). Several are named at the head."""
    points = [p for _, line_points, _ in series for p in line_points]
    low, high = min(p[1] for p in points), max(p[1] for p in points)
    low = 0.0 if from_zero else low - (high - low) * 0.06
    high = high + (high - low) * 0.06 or 1.0
    x = Scale(min(p[0] for p in points), max(p[0] for p in points), 46, 390)
    y = Scale(low, high, height - 40, 30 if len(series) > 1 else 8)
    marks = _grid(x, y, x_label)
    start = 46.0
    for name, line_points, class_ in series:
        marks += _curve(line_points, x, y, class_, name)
        if len(series) > 1:
            marks += [
                element("rect", x=start, y=6, width=14, height=4, rx=2, class_=class_),
                text(start + 19, 12, name, "label"),
            ]
            start += 34 + 6.6 * len(name)
    return picture(WIDTH, height, marks, label=label)


def histogram(edges: Sequence[float], counts: Sequence[int], *, unit: str, label: str) -> Markup:
    """Columns over ``edges`` (one more than ``counts``), which need not be evenly spaced."""
    x = Scale(edges[0], edges[-1], 40, 384)
    y = Scale(0, max(*counts, 1), 150, 12)
    marks = []
    for tick in ticks(0, max(*counts, 1), 3):
        marks += [
            line(40, y(tick), 384, y(tick), "grid"),
            text(34, y(tick) + 4, tick_label(tick), "tick", "end"),
        ]
    for low, high, rows in zip(edges, edges[1:], counts, strict=False):
        told = element("title", f"{low:g} to {high:g} {unit}: {rows:,} rows")
        marks.append(
            element(
                "rect", told, x=x(low) + 1, y=y(rows), width=max(x(high) - x(low) - 2, 1.0),
                height=max(150 - y(rows), 0.0), rx=2, class_="s1",
            )
        )  # fmt: skip
    for tick in ticks(edges[0], edges[-1], 5):
        marks.append(text(x(tick), 168, tick_label(tick), "tick", "middle"))
    marks += [line(40, 150, 384, 150, "axis"), text(384, 186, f"{unit} a row", "tick", "end")]
    return picture(WIDTH, 192, marks, label=label)


def latencies(
    rows: Sequence[tuple[str, Mapping[str, float], float | None]], *, label: str
) -> Markup:
    """P50, P95 and P99 of each kind of latency in seconds, with its objective as a dashed line."""
    highest = max([v for _, found, _ in rows for v in found.values()] + [o or 0 for *_, o in rows])
    x = Scale(0, (highest or 1.0) * 1.12, 6, 392)
    marks = []
    bottom = len(rows) * 66.0 + 6
    for tick in ticks(0, (highest or 1.0) * 1.1, 5):
        marks += [
            line(x(tick), 8, x(tick), bottom, "grid"),
            text(x(tick), bottom + 16, figures.duration(tick) if tick else "0", "tick", "middle"),
        ]
    for i, (name, found, objective) in enumerate(rows):
        marks += _latency(x, i * 66.0, name, found, objective)
    return picture(WIDTH, bottom + 22, marks, label=label)


def _latency(
    x: Scale, top: float, name: str, found: Mapping[str, float], objective: float | None
) -> list[Markup]:
    middle = top + 34
    values = sorted(found.items(), key=lambda pair: pair[1])
    marks = [text(6, top + 16, name, "label")]
    if values:
        marks.append(line(x(values[0][1]), middle, x(values[-1][1]), middle, "span"))
    words = [f"{quantile.upper()} {figures.duration(seconds)}" for quantile, seconds in values]
    places = _side_by_side(
        [x(seconds) for _, seconds in values], [len(each) * 6.2 for each in words]
    )
    for level, (quantile, seconds) in enumerate(values):
        late = objective is not None and seconds > objective
        told = element("title", f"{quantile.upper()}: {figures.duration(seconds)}")
        marks += [
            element(
                "circle", told, cx=x(seconds), cy=middle, r=6, class_="bad" if late else f"q{level}"
            ),
            text(places[level], middle + 22, words[level], "small", "middle"),
        ]  # fmt: skip
    if objective is not None:
        marks += [
            line(x(objective), top + 22, x(objective), middle + 11, "objective"),
            text(394, top + 16, f"objective {figures.duration(objective)}", "small", "end"),
        ]
    return marks


def _side_by_side(centres: Sequence[float], widths: Sequence[float]) -> list[float]:
    """Centres of labels that stand near ``centres``, in order, without overlap and inside the picture."""
    places: list[float] = []
    left = 6.0
    for centre, width in zip(centres, widths, strict=True):
        places.append(max(centre, left + width / 2))
        left = places[-1] + width / 2 + 6
    right = 394.0
    for i in range(len(places) - 1, -1, -1):
        places[i] = min(places[i], right - widths[i] / 2)
        right = places[i] - widths[i] / 2 - 6
    return places


def _whisker(x: Scale, row: Mapping[str, Any], middle: float) -> list[Markup]:
    low, high = row.get("low"), row.get("high")
    if low is None or high is None or low == high:
        return []
    return [
        line(x(low), middle, x(high), middle, "whisker"),
        line(x(low), middle - 4, x(low), middle + 4, "whisker"),
        line(x(high), middle - 4, x(high), middle + 4, "whisker"),
    ]


def _grid(x: Scale, y: Scale, x_label: str) -> list[Markup]:
    bottom, marks = y.start, []
    for tick in ticks(y.low, y.high, 4 if y.start - y.end > 120 else 2):
        marks += [
            line(46, y(tick), 390, y(tick), "grid"),
            text(40, y(tick) + 4, tick_label(tick), "tick", "end"),
        ]
    for tick in ticks(x.low, x.high, 6):
        marks.append(text(x(tick), bottom + 17, tick_label(tick), "tick", "middle"))
    return [
        *marks,
        line(46, bottom, 390, bottom, "axis"),
        text(390, bottom + 33, x_label, "tick", "end"),
    ]


def _curve(
    points: Sequence[Sequence[float]], x: Scale, y: Scale, class_: str, name: str
) -> list[Markup]:
    path = " ".join(f"{x(px):.1f},{y(py):.1f}" for px, py in points)
    marks = [element("polyline", points=path, class_=f"curve {class_}")]
    if len(points) <= 20:
        marks += [
            element(
                "circle", element("title", f"{name} at {px:g}: {figures.number(py)}"),
                cx=x(px), cy=y(py), r=3.2, class_=class_,
            )
            for px, py in points
        ]  # fmt: skip
    return marks
