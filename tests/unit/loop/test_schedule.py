import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.loop.schedule import Schedule, steps_of


@pytest.mark.parametrize("shape", ["constant", "linear", "cosine"])
def test_the_warm_up_goes_from_the_start_value_to_the_peak(shape: str) -> None:
    schedule = Schedule(peak=5e-4, steps=20, shape=shape, start=1e-5, warmup_steps=4)
    assert schedule.rate(0) == 1e-5
    assert schedule.rate(2) == pytest.approx((1e-5 + 5e-4) / 2)
    assert schedule.rate(4) == 5e-4


def test_linear_and_cosine_end_at_nothing_and_constant_does_not() -> None:
    ends = {s: Schedule(1.0, 10, s).rate(10) for s in ("constant", "linear", "cosine")}
    assert ends == {"constant": 1.0, "linear": 0.0, "cosine": pytest.approx(0.0)}
    assert Schedule(1.0, 10, "cosine").rate(5) == pytest.approx(0.5)


@given(
    st.floats(1e-7, 1.0), st.integers(1, 200), st.sampled_from(["constant", "linear", "cosine"]),
    st.floats(0, 1), st.floats(0, 0.9), st.integers(0, 199),
)  # fmt: skip
def test_no_rate_is_above_the_peak_or_below_nothing(
    peak: float, steps: int, shape: str, start: float, ratio: float, step: int
) -> None:
    schedule = Schedule(peak, steps, shape, start, round(ratio * steps))
    assert 0.0 <= schedule.rate(min(step, steps - 1)) <= peak


def test_steps_count_the_last_smaller_batch_and_parts_of_an_epoch() -> None:
    assert steps_of(75, batch=8, epochs=3) == 30
    assert steps_of(75, batch=8, epochs=0.25) == 3
    assert steps_of(1, batch=8, epochs=0.01) == 1
    assert steps_of(75, batch=8, epochs=3, max_steps=7) == 7
