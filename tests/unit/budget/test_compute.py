import pytest

from tunesmith.budget.compute import (
    Work,
    flops_per_label,
    flops_per_token,
    training_flops,
    training_seconds,
    work_of,
)
from tunesmith.budget.method import Method
from tunesmith.models.spec import ModelSpec


def test_full_tuning_costs_six_flops_for_each_linear_weight_and_token(llama_7b: ModelSpec) -> None:
    per_token = flops_per_token(llama_7b, Method("full"), mean_length=0)
    assert per_token == 6 * llama_7b.linear_parameters


def test_lora_saves_a_third_of_the_linear_work(llama_7b: ModelSpec) -> None:
    full = flops_per_token(llama_7b, Method("full"), mean_length=0)
    lora = flops_per_token(llama_7b, Method("lora", r=16), mean_length=0)
    assert lora / full == pytest.approx(2 / 3 + 39_976_960 / llama_7b.linear_parameters)


def test_attention_grows_with_the_length_it_looks_back_over(tiny: ModelSpec) -> None:
    short = flops_per_token(tiny, Method("full"), mean_length=100)
    long = flops_per_token(tiny, Method("full"), mean_length=200)
    # three passes, 2 products of 2 FLOPs, 2 layers, 4 heads of 16, 100 more tokens
    assert long - short == 3 * 4 * 2 * 64 * 100


def test_logits_are_counted_for_labels_only(tiny: ModelSpec) -> None:
    method = Method("lora", r=8)
    none = training_flops(tiny, method, Work(1000, 0, 50))
    some = training_flops(tiny, method, Work(1000, 10, 50))
    assert some - none == 10 * flops_per_label(tiny, method)


def test_seconds_are_flops_over_the_reached_share_of_the_rate() -> None:
    assert training_seconds(130e9, matmul_rate=100e9, share=0.65) == pytest.approx(2.0)


def test_epochs_multiply_tokens_and_labels() -> None:
    assert work_of([10, 30], [5, 5], epochs=3) == Work(tokens=120, labels=30, mean_length=25.0)


def test_no_rows_are_no_work() -> None:
    assert work_of([], [], epochs=3) == Work(tokens=0, labels=0, mean_length=0.0)
