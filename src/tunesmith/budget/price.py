"""What an hour of a machine costs, with the day on which the price was read and where.

Prices move: the table is for orders of magnitude. A price of your own (`select.price_per_hour`) replaces it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Currency = Literal["CNY", "USD"]


@dataclass(frozen=True, slots=True)
class Price:
    """Price of one hour of one machine."""

    per_hour: float
    currency: Currency
    read_on: str
    """Day, YYYY-MM-DD; empty for a price that the user gave."""
    source: str


YUAN_PER_DOLLAR: Final = 6.77
"""Close of 2026-06-19, from the data set AlphaDojo/dojo_forex_kline."""

OWN: Final = "own"

PRICES: Final[dict[str, Price]] = {
    OWN: Price(0.0, "USD", "", "your own machine; electricity is not counted"),
    "rented-rtx-4090-24gb": Price(
        0.29, "USD", "2026-09-20", "openrelay.inc/gpu-pricing-calculator"
    ),
    "rented-a100-80gb": Price(1.19, "USD", "2026-11-09", "runpod.io/pricing, community, PCIe"),
    "rented-h100-80gb": Price(2.69, "USD", "2026-11-09", "runpod.io/pricing, community, SXM"),
}


def electricity(watts: float, *, per_kwh: float, currency: Currency) -> Price:
    """An hour of your own machine at ``watts`` from the wall."""
    return Price(watts / 1000 * per_kwh, currency, "", f"{watts:g} W at {per_kwh:g} {currency}/kWh")


def cost(seconds: float, price: Price, *, currency: Currency) -> float:
    """Money for ``seconds`` by the second, in ``currency``; nothing is added for starting up."""
    return seconds / 3600 * in_currency(price, currency).per_hour


def in_currency(price: Price, currency: Currency) -> Price:
    """The same price in ``currency``, at `YUAN_PER_DOLLAR`."""
    if price.currency == currency:
        return price
    factor = YUAN_PER_DOLLAR if currency == "CNY" else 1 / YUAN_PER_DOLLAR
    source = f"{price.source}; {YUAN_PER_DOLLAR} yuan a dollar"
    return Price(price.per_hour * factor, currency, price.read_on, source)
