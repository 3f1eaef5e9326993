from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunesmith.budget.memory import (
    Batch,
    Precision,
    activation_bytes,
    largest_rows,
    predict,
    worst_batch,
)
from tunesmith.budget.method import Method, trainable_parameters
from tunesmith.models.spec import ModelSpec

FULL, LORA, PREFIX = Method("full"), Method("lora", r=8), Method("prefix", prefix_tokens=20)


def test_the_plan_is_the_sum_of_its_lines(tiny: ModelSpec) -> None:
    plan = predict(tiny, LORA, batch=Batch(4, 100, 120))
    assert plan.bytes == sum(line.bytes for line in plan.lines)


def test_full_tuning_of_7b_holds_16_bytes_for_each_weight_in_float32(llama_7b: ModelSpec) -> None:
    """Rajbhandari et al. 2020 (arXiv:1910.02054), section 3.1: 16 bytes a parameter with Adam."""
    assert llama_7b.parameters == 6_738_415_616
    plan = predict(llama_7b, FULL, batch=Batch(1, 0, 0), runtime_bytes=0)
    held = plan.line("trained weights") + plan.line("gradients") + plan.line("optimizer")
    assert held == 16 * 6_738_415_616


def test_lora_of_7b_trains_40_million_weights_at_rank_16(llama_7b: ModelSpec) -> None:
    # 32 layers x 16 x (4 x (4096 + 4096) + 3 x (4096 + 11008))
    assert trainable_parameters(llama_7b, Method("lora", r=16)) == 39_976_960


def test_a_prefix_is_a_key_and_a_value_for_each_token_and_layer(tiny: ModelSpec) -> None:
    assert trainable_parameters(tiny, PREFIX) == 20 * 2 * 2 * 2 * 16


def test_one_token_of_one_layer_counts_as_worked_by_hand(tiny: ModelSpec) -> None:
    # norms 2 x (256 + 4); q k v and output 4 x 64 x 2; normaliser 16; mask 50 x 2; gate silu up 3 x 192 x 2;
    # lora: two norms' outputs 2 x 64 x 2, gated product 192 x 2, seven pairs of 8 numbers x 2
    layer = 520 + 512 + 16 + 100 + 1152 + 256 + 384 + 112
    ends = 6 * 64 + 4
    assert (
        activation_bytes(tiny, LORA, length=50, precision=Precision(trained=2)) == 2 * layer + ends
    )


def test_pairs_in_float32_keep_a_copy_of_every_input(tiny: ModelSpec) -> None:
    same = activation_bytes(tiny, LORA, length=50, precision=Precision(trained=2))
    wider = activation_bytes(tiny, LORA, length=50, precision=Precision(trained=4))
    assert wider - same == 2 * (4828 - 3052)


@given(rows=st.integers(1, 8), length=st.integers(1, 300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_more_rows_or_longer_rows_never_need_less(tiny: ModelSpec, rows: int, length: int) -> None:
    for method in (FULL, LORA, PREFIX):
        here = predict(tiny, method, batch=Batch(rows, length, rows * length)).bytes
        more = predict(tiny, method, batch=Batch(rows + 1, length, (rows + 1) * length)).bytes
        longer = predict(tiny, method, batch=Batch(rows, length + 1, rows * length)).bytes
        assert here < more
        assert here < longer


@given(
    lengths=st.lists(st.integers(1, 200), min_size=1, max_size=12),
    limit=st.integers(480_000_000, 520_000_000),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_largest_micro_batch_fits_and_one_more_row_does_not(
    tiny: ModelSpec, lengths: list[int], limit: int
) -> None:
    rows = largest_rows(tiny, LORA, lengths=lengths, labels=lengths, limit_bytes=limit)
    if rows:
        batch = worst_batch(lengths, lengths, rows=rows)
        assert predict(tiny, LORA, batch=batch).bytes <= limit
    if rows < len(lengths):
        batch = worst_batch(lengths, lengths, rows=rows + 1)
        assert predict(tiny, LORA, batch=batch).bytes > limit


def test_the_worst_batch_is_that_of_the_longest_rows() -> None:
    assert worst_batch([5, 9, 7], [1, 2, 3], rows=2) == Batch(rows=2, length=9, labels=5)


def test_no_rows_make_an_empty_batch() -> None:
    assert worst_batch([], [], rows=4) == Batch(rows=0, length=0, labels=0)
