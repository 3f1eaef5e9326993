import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.losses.dpo import dpo
from tunesmith.losses.logps import answer_logps

LOGPS = st.lists(st.floats(-300, 0), min_size=1, max_size=8)


@pytest.mark.parametrize(("margin", "loss"), [(0, 0.693147), (10, 0.313262), (20, 0.126928)])
def test_the_loss_by_hand_at_beta_a_tenth(margin: float, loss: float) -> None:
    zero = torch.zeros(1)
    assert dpo(zero + margin, zero, zero, zero, beta=0.1).item() == pytest.approx(loss, abs=5e-7)


@given(LOGPS, st.floats(0.01, 10))
def test_a_policy_that_is_its_reference_loses_ln_2_whatever_beta(
    logps: list[float], beta: float
) -> None:
    chosen = torch.tensor(logps, dtype=torch.float64)
    rejected = chosen.flip(0)
    losses = dpo(chosen, rejected, chosen, rejected, beta=beta)
    torch.testing.assert_close(losses, torch.full_like(losses, math.log(2)))


def test_log_probabilities_are_summed_by_row() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.5], [0.25, 0.75], [0.1, 0.9]]))
    logps = answer_logps(logits, torch.tensor([0, 1, 1]), torch.tensor([0, 2, 2]), rows=3)
    expected = torch.tensor([math.log(0.5), 0.0, math.log(0.75 * 0.9)])
    torch.testing.assert_close(logps, expected)
