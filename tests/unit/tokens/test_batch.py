from hypothesis import given
from hypothesis import strategies as st

from tunesmith.tokens.batch import collate, cut
from tunesmith.tokens.chat import Encoded

LENGTHS = st.lists(st.integers(1, 60), max_size=40)


@given(LENGTHS, st.integers(1, 100), st.integers(0, 5))
def test_cutting_keeps_every_row_once_in_order_and_fits(
    lengths: list[int], max_tokens: int, max_rows: int
) -> None:
    groups = list(cut(lengths, max_tokens=max_tokens, max_rows=max_rows))
    assert [i for group in groups for i in group] == list(range(len(lengths)))
    for group in groups:
        assert len(group) == 1 or sum(lengths[i] for i in group) <= max_tokens
        assert max_rows == 0 or len(group) <= max_rows


def test_each_label_is_predicted_at_the_token_before_it() -> None:
    rows = [
        Encoded((5, 6, 7), (False, False, True)),
        Encoded((8, 9), (False, True)),
        Encoded((1, 2, 3), (False, True, True)),
    ]
    batch = collate(rows, [4, 2, 9])
    assert batch.rows == (4, 2, 9)
    assert batch.lengths == (3, 2, 3)
    assert batch.positions_T.tolist() == [0, 1, 2, 0, 1, 0, 1, 2]
    assert batch.at_N.tolist() == [1, 3, 5, 6]
    assert batch.targets_N.tolist() == [7, 9, 2, 3]
    assert batch.row_N.tolist() == [0, 1, 2, 2]


def test_a_first_token_is_never_a_label_of_the_row_before_it() -> None:
    batch = collate([Encoded((5,), (False,)), Encoded((6, 7), (True, True))], [0, 1])
    assert batch.at_N.tolist() == [1]
    assert batch.targets_N.tolist() == [7]
