from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from tunesmith.report import charts


@given(st.lists(st.floats(6, 392), min_size=1, max_size=3), st.floats(20, 100))
def test_labels_beside_each_other_never_overlap_nor_leave_the_picture(
    centres: list[float], width: float
) -> None:
    places = charts._side_by_side(sorted(centres), [width] * len(centres))
    edges = [(place - width / 2, place + width / 2) for place in places]
    assert edges[0][0] >= 6 - 1e-9
    assert edges[-1][1] <= 394 + 1e-9
    for (_, right), (left, _) in itertools.pairwise(edges):
        assert left >= right + 6 - 1e-9


def test_labels_with_room_stand_at_their_points() -> None:
    assert charts._side_by_side([100.0, 200.0, 300.0], [60.0, 60.0, 60.0]) == [100, 200, 300]
