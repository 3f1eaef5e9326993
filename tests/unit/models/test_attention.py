import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tunesmith.models.attention import packed_attention


def _tensors(tokens: int, heads: int = 6, groups: int = 2, width: int = 8) -> list[Tensor]:
    torch.manual_seed(tokens)
    return [
        torch.randn(1, h, tokens, width, dtype=torch.float64, requires_grad=True)
        for h in (heads, groups, groups)
    ]


def _reference(q: Tensor, k: Tensor, v: Tensor, lengths: list[int], window: int = 0) -> Tensor:
    tokens = sum(lengths)
    row = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    at = torch.arange(tokens)
    mask = (row[:, None] == row) & (at[:, None] >= at)
    if window:
        mask &= at[:, None] - at < window
    repeat = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(repeat, 1), v.repeat_interleave(repeat, 1)
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2)


@pytest.mark.parametrize("lengths", [[7], [3, 1, 9], [1, 1, 1]])
@pytest.mark.parametrize("window", [0, 4])
def test_values_and_gradients_are_those_of_masked_attention(
    lengths: list[int], window: int
) -> None:
    inputs = _tensors(sum(lengths))
    outer = torch.randn(1, sum(lengths), 6, 8, dtype=torch.float64)
    out, _ = packed_attention(
        None, *inputs, None, row_lengths=lengths, sliding_window=window or None, is_causal=True
    )
    expected = _reference(*inputs, lengths, window)
    torch.testing.assert_close(out, expected)
    ours = torch.autograd.grad(out, inputs, outer)
    theirs = torch.autograd.grad(expected, inputs, outer)
    torch.testing.assert_close(ours, theirs)


def test_long_rows_take_the_fused_kernel_to_the_same_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tunesmith.models.attention.LONGEST_WRITTEN_OUT", 4)
    inputs = _tensors(12)
    out, _ = packed_attention(None, *inputs, None, row_lengths=[9, 3])
    torch.testing.assert_close(out, _reference(*inputs, [9, 3]))


def test_what_it_cannot_do_is_refused() -> None:
    with pytest.raises(AssertionError, match="softcap"):
        packed_attention(None, *_tensors(3), None, softcap=50.0)
