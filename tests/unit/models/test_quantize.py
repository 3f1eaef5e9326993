"""Weights of 8 bits: the error of one value, and products that equal those of the unpacked weights."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.models.quantize import Int8Embedding, Int8Linear, quantize_rows


@given(seed=st.integers(0, 10_000), size=st.floats(1e-6, 1e6))
def test_no_value_moves_by_more_than_half_a_step(seed: int, size: float) -> None:
    weight = torch.randn(5, 16, generator=torch.Generator().manual_seed(seed)) * size
    integers, scale = quantize_rows(weight)
    assert integers.abs().max() == 127
    error = (integers.float() * scale[:, None] - weight).abs()
    assert (error <= 0.5001 * scale[:, None]).all()


def test_a_row_of_zeros_stays_zero() -> None:
    integers, scale = quantize_rows(torch.zeros(2, 8))
    assert (integers == 0).all()
    assert (scale == 1).all()


@pytest.mark.parametrize("rows", [1, 4, 5, 40])
@pytest.mark.parametrize("has_bias", [False, True])
def test_products_equal_those_of_the_unpacked_weights(rows: int, has_bias: bool) -> None:
    torch.manual_seed(0)
    integers, scale = quantize_rows(torch.randn(24, 32))
    bias = torch.randn(24) if has_bias else None
    x = torch.randn(2, rows, 32)
    expected = torch.nn.functional.linear(x, integers.float() * scale[:, None], bias)
    torch.testing.assert_close(Int8Linear(integers, scale, bias)(x), expected, rtol=1e-5, atol=1e-5)


def test_an_embedding_gives_the_unpacked_rows() -> None:
    integers, scale = quantize_rows(torch.randn(10, 4))
    ids = torch.tensor([[3, 1], [9, 3]])
    expected = (integers.float() * scale[:, None])[ids]
    assert torch.equal(Int8Embedding(integers, scale, torch.float32)(ids), expected)
