from hypothesis import given
from hypothesis import strategies as st

from tunesmith.loop.sampler import Sampler


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 5))
def test_an_epoch_sees_every_row_once(rows: int, batch: int, epoch: int) -> None:
    sampler = Sampler(rows, batch=batch, seed=3)
    n = sampler.steps_per_epoch
    seen = [row for step in range(epoch * n, (epoch + 1) * n) for row in sampler.rows(step)]
    assert sorted(seen) == list(range(rows))


@given(st.integers(1, 40), st.integers(1, 9), st.lists(st.integers(0, 30), max_size=6))
def test_a_batch_depends_on_the_step_alone_not_on_what_was_drawn_before(
    rows: int, batch: int, visited: list[int]
) -> None:
    wandering = Sampler(rows, batch=batch, seed=5)
    for step in visited:
        assert wandering.rows(step) == Sampler(rows, batch=batch, seed=5).rows(step)


def test_epochs_are_in_different_orders() -> None:
    sampler = Sampler(50, batch=50, seed=1)
    assert sampler.rows(0) != sampler.rows(1)
