from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunesmith.budget.memory import (
    PART_TOKENS,
    Part,
    Precision,
    activation_bytes,
    predict,
    worst_part,
)
from tunesmith.budget.method import Method, trainable_parameters
from tunesmith.models.spec import ModelSpec

FULL, LORA, PREFIX = Method("full"), Method("lora", r=8), Method("prefix", prefix_tokens=20)
NONE = Part(0, 0, 0)


def test_the_plan_is_the_sum_of_its_lines(tiny: ModelSpec) -> None:
    plan = predict(tiny, LORA, part=Part(400, 100, 120))
    assert plan.bytes == sum(line.bytes for line in plan.lines)


def test_full_tuning_in_float32_holds_16_bytes_a_weight_and_its_best_copy(
    llama_7b: ModelSpec,
) -> None:
    """Rajbhandari et al. 2020 (arXiv:1910.02054), section 3.1: 16 bytes a parameter with Adam."""
    assert llama_7b.parameters == 6_738_415_616
    plan = predict(llama_7b, FULL, part=NONE, precision=Precision(forward=4), runtime_bytes=0)
    assert plan.bytes - plan.line("best weights") == 16 * 6_738_415_616


def test_full_tuning_in_bf16_keeps_float32_masters_and_narrow_gradients(tiny: ModelSpec) -> None:
    plan = predict(tiny, FULL, part=NONE, runtime_bytes=0)
    assert plan.bytes == (2 + 4 + 4 + 2 + 8 + 4) * tiny.parameters


def test_lora_of_7b_trains_40_million_weights_at_rank_16(llama_7b: ModelSpec) -> None:
    # 32 layers x 16 x (4 x (4096 + 4096) + 3 x (4096 + 11008))
    assert trainable_parameters(llama_7b, Method("lora", r=16)) == 39_976_960


def test_a_prefix_is_a_key_and_a_value_for_each_token_and_layer(tiny: ModelSpec) -> None:
    assert trainable_parameters(tiny, PREFIX) == 20 * 2 * 2 * 2 * 16


def test_one_token_of_one_layer_counts_as_worked_by_hand(tiny: ModelSpec) -> None:
    # norms 2 x (256 + 4); q k v 8 heads x 16 x 2; probabilities 4 x 50 x 2; gate silu up 3 x 192 x 2;
    # read by the pairs: norms' outputs 2 x 64 x 2, attention's 64 x 2, product 192 x 2; 7 pairs x 8 x 2
    layer = 520 + 256 + 400 + 1152 + 256 + 128 + 384 + 112
    assert activation_bytes(tiny, LORA, length=50) == 2 * layer + 260


def test_maps_without_a_pair_keep_no_input(tiny: ModelSpec) -> None:
    only = Method("lora", r=8, target_modules=("q_proj", "v_proj"))
    more = activation_bytes(tiny, LORA, length=50) - activation_bytes(tiny, only, length=50)
    assert more == 2 * (128 + 128 + 384 + 5 * 8 * 2)


@given(tokens=st.integers(1, 2000), length=st.integers(1, 300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_more_tokens_or_longer_rows_never_need_less(
    tiny: ModelSpec, tokens: int, length: int
) -> None:
    for method in (FULL, LORA, PREFIX):
        here = predict(tiny, method, part=Part(tokens, length, tokens)).bytes
        assert here < predict(tiny, method, part=Part(tokens + 1, length, tokens + 1)).bytes
        assert here < predict(tiny, method, part=Part(tokens, length + 1, tokens)).bytes


@given(
    rows=st.lists(st.tuples(st.integers(1, 600), st.integers(0, 100)), min_size=1, max_size=12),
    order=st.randoms(use_true_random=False),
    batch=st.integers(1, 12),
)
def test_no_part_that_training_cuts_is_larger_than_the_worst(
    rows: list[tuple[int, int]], order: object, batch: int
) -> None:
    from tunesmith.tokens.batch import cut

    lengths = [length for length, _ in rows]
    labels = [min(length, count) for length, count in rows]
    worst = worst_part(lengths, labels, batch=batch)
    numbers = list(range(len(rows)))
    order.shuffle(numbers)  # type: ignore[attr-defined]
    for start in range(0, len(numbers), batch):
        chosen = numbers[start : start + batch]
        for group in cut([lengths[i] for i in chosen], max_tokens=PART_TOKENS):
            assert sum(lengths[chosen[i]] for i in group) <= worst.tokens
            assert sum(labels[chosen[i]] for i in group) <= worst.labels
            assert max(lengths[chosen[i]] for i in group) <= worst.length


def test_three_rows_of_300_are_the_fullest_part_of_equal_rows() -> None:
    assert worst_part([300] * 8, [10] * 8, batch=8) == Part(900, 300, 80)


def test_a_given_micro_batch_is_that_many_of_the_longest_rows() -> None:
    assert worst_part([900, 800, 5], [1, 2, 3], batch=8, micro_batch=2) == Part(1700, 900, 5)


def test_no_rows_make_an_empty_part() -> None:
    assert worst_part([], [], batch=4) == NONE
