from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tunesmith.report import road


@st.composite
def pipelines(draw: st.DrawFn) -> list[dict[str, object]]:
    size = draw(st.integers(1, 16))
    return [
        {"name": str(i), "needs": [str(j) for j in range(i) if draw(st.booleans())]}
        for i in range(size)
    ]


def reach(needs: list[set[int]], row: int) -> set[int]:
    return (
        set().union(*({parent} | reach(needs, parent) for parent in needs[row]))
        if needs[row]
        else set()
    )


@given(pipelines())
def test_leaving_out_implied_edges_changes_nobodys_ancestors(
    steps: list[dict[str, object]],
) -> None:
    needs = [{int(n) for n in step["needs"]} for step in steps]  # type: ignore[attr-defined]
    kept = road.reduced(needs)
    assert [reach(kept, row) for row in range(len(steps))] == [
        reach(needs, r) for r in range(len(steps))
    ]


@given(pipelines())
def test_no_line_runs_through_a_station_that_is_not_its_end(steps: list[dict[str, object]]) -> None:
    placed = road.stations(steps)
    for station in placed:
        for other in placed:
            if other.lane == station.lane and station.row < other.row < station.last:
                raise AssertionError(f"{other.name} stands on the line of {station.name}")


def test_a_station_keeps_the_lane_of_a_parent_that_ends_there() -> None:
    steps = [{"name": "a"}, {"name": "b", "needs": ["a"]}, {"name": "c", "needs": ["b", "a"]}]
    assert [station.lane for station in road.stations(steps)] == [0, 0, 0]
