import pytest
import torch
from torch.nn import functional

from tunesmith.losses.cross_entropy import cross_entropy


@pytest.mark.parametrize("labels", [1, 31, 32, 33, 100])
def test_loss_and_gradient_are_those_of_torch(labels: int) -> None:
    torch.manual_seed(labels)
    logits = torch.randn(labels, 17, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(17, (labels,))
    loss, n = cross_entropy(logits, targets)
    loss.backward()
    ours, logits.grad = logits.grad, None
    expected = functional.cross_entropy(logits, targets, reduction="sum")
    expected.backward()
    assert n == labels
    torch.testing.assert_close(loss, expected, rtol=1e-13, atol=0)
    torch.testing.assert_close(ours, logits.grad, rtol=1e-12, atol=1e-14)


def test_a_factor_before_the_loss_reaches_the_gradient() -> None:
    logits = torch.zeros(2, 4, requires_grad=True)
    (3 * cross_entropy(logits, torch.tensor([0, 1]))[0]).backward()
    torch.testing.assert_close(logits.grad[0], 3 * torch.tensor([-0.75, 0.25, 0.25, 0.25]))


def test_narrow_logits_are_summed_in_float32() -> None:
    logits = torch.randn(200, 50, generator=torch.Generator().manual_seed(1)).to(torch.bfloat16)
    targets = torch.arange(200) % 50
    loss, _ = cross_entropy(logits, targets)
    expected = functional.cross_entropy(logits.float(), targets, reduction="sum")
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=0)


def test_no_label_gives_no_loss() -> None:
    loss, n = cross_entropy(torch.zeros(0, 5, requires_grad=True), torch.zeros(0, dtype=torch.long))
    loss.backward()
    assert (loss.item(), n) == (0.0, 0)
