from typing import Any

import pytest

from tunesmith.budget.plan import beside

CHOSEN = {
    "method": "lora", "memory_bytes": 500, "seconds": 90.0, "tokens": 1000, "trainable_parameters": 7,
    "cost": 3.0, "currency": "CNY",
}  # fmt: skip
PLAN: dict[str, Any] = {"candidates": [{**CHOSEN, "method": "full"}, CHOSEN], "chosen": "lora"}
TRAINING = {
    "method": "lora", "peak_bytes": 400, "seconds": 120.0, "tokens": 1000, "trainable_parameters": 7,
}  # fmt: skip


def rows(plan: dict[str, Any], training: dict[str, Any]) -> dict[str, tuple[float, float, float]]:
    return {r.quantity: (r.predicted, r.measured, r.relative_error) for r in beside(plan, training)}


def test_predicted_stands_beside_measured_with_its_error() -> None:
    joined = rows(PLAN, TRAINING)
    assert joined["peak memory"] == (500.0, 400.0, pytest.approx(0.25))
    assert joined["training time"] == (90.0, 120.0, pytest.approx(-0.25))


def test_the_measured_cost_is_the_measured_time_at_the_planned_price() -> None:
    assert rows(PLAN, TRAINING)["cost"] == (3.0, pytest.approx(4.0), pytest.approx(-0.25))


def test_a_free_machine_has_no_line_for_cost() -> None:
    free = {**PLAN, "candidates": [{**CHOSEN, "cost": 0.0}]}
    assert "cost" not in rows(free, TRAINING)


def test_what_was_not_measured_is_left_out() -> None:
    assert set(rows(PLAN, {"method": "lora", "seconds": 120.0})) == {"training time", "cost"}


def test_another_method_than_the_planned_one_gives_no_rows() -> None:
    assert beside(PLAN, {**TRAINING, "method": "full"}) == []
