import datetime

import pytest

from tunesmith.budget.price import PRICES, YUAN_PER_DOLLAR, Price, cost, electricity, in_currency


def test_half_an_hour_costs_half_the_price() -> None:
    assert cost(1800, Price(6.0, "CNY", "", "mine"), currency="CNY") == pytest.approx(3.0)


def test_changing_the_currency_there_and_back_gives_the_same_price() -> None:
    there = in_currency(Price(2.0, "USD", "", "mine"), "CNY")
    assert there.per_hour == pytest.approx(2.0 * YUAN_PER_DOLLAR)
    assert in_currency(there, "USD").per_hour == pytest.approx(2.0)


def test_a_hundred_watts_at_half_a_yuan_cost_five_fen_an_hour() -> None:
    assert electricity(100, per_kwh=0.5, currency="CNY").per_hour == pytest.approx(0.05)


@pytest.mark.parametrize("name", sorted(set(PRICES) - {"own"}))
def test_every_price_of_the_table_has_a_day_and_a_source(name: str) -> None:
    assert datetime.date.fromisoformat(PRICES[name].read_on)
    assert PRICES[name].source


def test_the_own_machine_costs_nothing() -> None:
    assert cost(3600, PRICES["own"], currency="USD") == 0
