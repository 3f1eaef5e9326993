"""`resources.micro_batch` changes only the speed: the same update in float64, however the batch is cut."""

from pathlib import Path

import pytest
import torch

from tunesmith.integrations.transformers import load_model
from tunesmith.integrations.transformers_training import LabelLogits
from tunesmith.loop.optimizer import AdamSettings, Optimizer
from tunesmith.loop.step import accumulate
from tunesmith.losses.cross_entropy import cross_entropy
from tunesmith.tokens.batch import collate, cut
from tunesmith.tokens.chat import Encoded

# uneven on purpose: labels of 1, 9, 2, 14, 3 and 7 pair to no equal sums
ROWS = [
    Encoded(tuple(range(3, 3 + n)), (False,) * (n - labels) + (True,) * labels)
    for n, labels in ((30, 1), (12, 9), (41, 2), (18, 14), (5, 3), (60, 7))
]


def _update(folder: Path, max_rows: int) -> tuple[torch.Tensor, float]:
    model = load_model(folder, dtype=torch.float64)
    logits = LabelLogits(model)
    optimizer = Optimizer(dict(model.named_parameters()), AdamSettings(max_grad_norm=0))
    groups = cut([len(row.ids) for row in ROWS], max_tokens=1000, max_rows=max_rows)
    parts = (collate([ROWS[i] for i in group], group) for group in groups)
    found = accumulate(lambda b: cross_entropy(logits(b), b.targets_N), parts, optimizer)
    gradient = torch.cat([m.grad.flatten() for m in optimizer.masters.values()]) / found.tokens
    return gradient, found.mean


@pytest.mark.parametrize("max_rows", [1, 2, 3, 4])
def test_every_micro_batch_gives_the_same_gradient(tiny_folder: Path, max_rows: int) -> None:
    whole, loss = _update(tiny_folder, 0)
    cut_up, loss_cut_up = _update(tiny_folder, max_rows)
    assert loss_cut_up == pytest.approx(loss, rel=1e-12)
    # Transformers keeps rotations in float32, the same ones for every cut
    torch.testing.assert_close(cut_up, whole, rtol=1e-12, atol=1e-15)


def test_a_row_does_not_see_the_rows_beside_it(tiny_folder: Path) -> None:
    logits = LabelLogits(load_model(tiny_folder, dtype=torch.float64))
    with torch.no_grad():
        together = logits(collate(ROWS, range(len(ROWS))))
        alone = torch.cat([logits(collate([row], [0])) for row in ROWS])
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-14)
