"""DPO against TRL 1.16's sigmoid loss: DPOTrainer.dpo_loss(-10, -12, -11, -11) with beta 0.1 gives 0.5981388693815918."""

import math

import pytest
import torch

from tunesmith.losses.dpo import dpo


def test_dpo_gives_trls_number() -> None:
    policy_and_reference = (torch.tensor([value]) for value in (-10.0, -12.0, -11.0, -11.0))
    assert dpo(*policy_and_reference, beta=0.1).item() == pytest.approx(
        0.5981388693815918, abs=1e-7
    )


def test_equal_policies_give_ln_2() -> None:
    same = torch.tensor([-3.0])
    assert dpo(same, same, same, same, beta=0.1).item() == pytest.approx(math.log(2))
