"""The pipeline as a picture: steps from top to bottom, joined by coloured lines like a metro map.

Each step keeps a lane from its own row down to the last step that needs it, and a lane is used
again when it is free. Edges that a longer way already shows are left out (transitive reduction).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from tunesmith.report.svg import element, picture

ROW: Final = 46
LANE: Final = 20
_COLOURS: Final = 6
_GATES: Final = {"gate passed": "good", "gate failed": "bad", "gate open": "amber"}


@dataclass(frozen=True, slots=True)
class Station:
    """One step's place: its row and lane, and the rows of the steps that it needs directly."""

    name: str
    row: int
    lane: int
    last: int
    needs: tuple[int, ...]


def stations(steps: Sequence[Mapping[str, Any]]) -> list[Station]:
    """A place for each step, in the given (topological) order."""
    rows = {step["name"]: row for row, step in enumerate(steps)}
    needs = reduced([{rows[n] for n in step.get("needs", ()) if n in rows} for step in steps])
    last = list(range(len(steps)))
    for row, needed in enumerate(needs):
        for parent in needed:
            last[parent] = max(last[parent], row)
    placed: list[Station] = []
    for row, step in enumerate(steps):
        lane = _free_lane(placed, row, needs[row])
        placed.append(Station(step["name"], row, lane, last[row], tuple(sorted(needs[row]))))
    return placed


def reduced(needs: Sequence[set[int]]) -> list[set[int]]:
    """``needs`` without edges that another path implies; each row needs earlier rows only."""
    above: list[set[int]] = []
    kept: list[set[int]] = []
    for needed in needs:
        implied = set().union(*(above[parent] for parent in needed)) if needed else set()
        kept.append(needed - implied)
        above.append(needed | implied)
    return kept


def draw(placed: Sequence[Station], states: Sequence[str]) -> Markup:
    """The lines and stations; ``states`` holds one of done, reused, failed, waiting, gate passed, gate failed, gate open each."""
    height = len(placed) * ROW
    marks: list[object] = []
    for station in placed:
        for parent in station.needs:
            marks.append(_track(placed[parent], station))
    for station, state in zip(placed, states, strict=True):
        marks += _station(station, state)
    label = "The steps of the run and how they are joined"
    return picture(width(placed), height, marks, label=label, class_="road")


def width(placed: Sequence[Station]) -> int:
    """Width of the picture in pixels: it is never scaled, so that its rows meet the words."""
    return (max((station.lane for station in placed), default=0) + 1) * LANE + 12


def _free_lane(placed: Sequence[Station], row: int, needs: set[int]) -> int:
    """The lane of a parent that ends here, else the first lane that nobody holds."""
    ending = [placed[p].lane for p in sorted(needs) if placed[p].last == row]
    if ending:
        return min(ending)
    held = {station.lane for station in placed if station.last >= row}
    return next(lane for lane in range(len(placed) + 1) if lane not in held)


def _track(parent: Station, child: Station) -> Markup:
    """Down the parent's lane, then over to the child's in the row just above it."""
    x1, y1, x2, y2 = _x(parent), _y(parent), _x(child), _y(child)
    bend = y2 - ROW * 0.9
    path = f"M{x1:g} {y1:g}"
    if x1 == x2:
        path += f"V{y2:g}"
    else:
        path += f"V{max(bend, y1):g}C{x1:g} {y2 - 8:g} {x2:g} {y2 - ROW * 0.6:g} {x2:g} {y2:g}"
    return element("path", d=path, class_=f"track c{parent.lane % _COLOURS}")


def _station(station: Station, state: str) -> list[Markup]:
    x, y = _x(station), _y(station)
    told = element("title", f"{station.name}: {state}")
    if state in _GATES:
        side = 8.5
        path = f"M{x:g} {y - side:g}L{x + side:g} {y:g}L{x:g} {y + side:g}L{x - side:g} {y:g}Z"
        return [element("path", told, d=path, class_=f"station {_GATES[state]}")]
    class_ = {"failed": "bad", "reused": "old", "waiting": "idle"}.get(state)
    return [
        element(
            "circle", told, cx=x, cy=y, r=6.5,
            class_=f"station {class_ or f'c{station.lane % _COLOURS}'}",
        )
    ]  # fmt: skip


def _x(station: Station) -> float:
    return station.lane * LANE + 16


def _y(station: Station) -> float:
    return station.row * ROW + ROW / 2
