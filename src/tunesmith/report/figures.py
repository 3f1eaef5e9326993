"""Numbers and names as a person reads them; the terminal and the report use the same words."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

MINUS = "\u2212"
THIN = "\u202f"
DASH = "\u2013"
NOTHING = "\u2014"

_NAMES = {
    "rouge1": "ROUGE-1",
    "rouge2": "ROUGE-2",
    "rougel": "ROUGE-L",
    "rougelsum": "ROUGE-Lsum",
    "bleu": "BLEU",
    "chrf": "chrF",
    "f1": "F1",
    "ttft": "time to first token",
    "lora": "LoRA",
    "qlora": "QLoRA",
    "adalora": "AdaLoRA",
}
_LOWER_IS_BETTER = (
    "perplexity", "bits", "loss", "unsupported", "invented", "verbatim", "private", "membership",
    "latency",
)  # fmt: skip


def number(value: float | None) -> str:
    """A plain number: three decimals below 10, fewer above, thousands separated by commas."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if float(value).is_integer() and abs(value) >= 10:
        text = f"{value:,.0f}"
    elif abs(value) < 10:
        text = f"{value:.3f}" if value == 0 or abs(value) >= 0.001 else f"{value:.1e}"
    else:
        text = f"{value:,.2f}" if abs(value) < 100 else f"{value:,.0f}"
    return text.replace("-", MINUS)


def signed(value: float | None) -> str:
    """A difference, always with its sign."""
    text = number(value)
    return text if text == NOTHING or text.startswith(MINUS) else f"+{text}"


def count(value: float | None) -> str:
    """A whole number with commas."""
    return NOTHING if value is None else f"{value:,.0f}".replace("-", MINUS)


def size(value: float | None) -> str:
    """Bytes as B, KiB, MiB, GiB with three digits: ``1.25 GiB``."""
    if value is None:
        return NOTHING
    amount, units = float(value), ["B", "KiB", "MiB", "GiB", "TiB"]
    while abs(amount) >= 1024 and len(units) > 1:
        amount, units = amount / 1024, units[1:]
    digits = 0 if units[0] == "B" or amount >= 100 else 1 if amount >= 10 else 2
    return f"{amount:.{digits}f} {units[0]}"


def duration(seconds: float | None) -> str:
    """Seconds as ``412 ms``, ``3.2 s``, ``3 min 48 s`` or ``2 h 05 min``."""
    if seconds is None:
        return NOTHING
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms" if seconds >= 0.001 or seconds == 0 else "<1 ms"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def percent(share: float | None) -> str:
    """A share between 0 and 1 as per cent."""
    if share is None:
        return NOTHING
    digits = 0 if abs(share) >= 0.1 or share == 0 else 1 if abs(share) >= 0.001 else 3
    return f"{share * 100:.{digits}f}{THIN}%".replace("-", MINUS)


def interval(low: float | None, high: float | None) -> str:
    """Both ends of an interval, or nothing when there is none."""
    return "" if low is None or high is None else f"{number(low)} to {number(high)}"


def estimate(metric: Mapping[str, Any]) -> str:
    """``0.236 (0.190 to 0.280, n = 25)``: a metric's value with what it rests on."""
    ends = interval(metric.get("low"), metric.get("high"))
    rows = f"n = {count(metric['n'])}" if metric.get("n") else ""
    inside = ", ".join(part for part in (ends, rows) if part)
    return f"{number(metric.get('value'))} ({inside})" if inside else number(metric.get("value"))


def measured(value: float | None, unit: str) -> str:
    """A value in its unit: bytes and seconds get their own words, the rest the unit's name."""
    if unit == "bytes":
        return size(value)
    if unit in {"s", "seconds"}:
        return duration(value)
    if unit == "ms":
        return duration(None if value is None else value / 1000)
    if unit.startswith("relative"):
        return percent(value)
    if unit in {"", "share", "F1", "probability", "perplexity"}:
        return number(value)
    return f"{number(value)} {unit}"


def title(name: str) -> str:
    """A metric's or a method's name as the field writes it: ``rouge1`` is ROUGE-1."""
    # the stroke of q8_0 is part of the name
    first, space, rest = re.sub(r"_(?!\d)", " ", name).strip().partition(" ")
    return _NAMES.get(first.lower(), first) + space + rest


def sentence(text: str) -> str:
    """``text`` with a capital first letter and a full stop at the end."""
    first = heading(text.strip())
    return first if not first or first[-1] in ".!?" else f"{first}."


def heading(text: str) -> str:
    """``text`` with a capital first letter; a name such as q8_0, rouge1 or chrF is left as it is."""
    is_word = re.match(r"[a-z]+(?=[\s,;:.'\u2019-]|$)", text)
    return text[0].upper() + text[1:] if is_word else text


def lower_is_better(name: str) -> bool:
    """Whether a smaller value of the metric called ``name`` is the better one."""
    return any(part in name.lower() for part in _LOWER_IS_BETTER)


def setting(value: object) -> str:
    """A setting's value in words: yes, no, none, a list joined by commas."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(setting(item) for item in value) or "none"
    if isinstance(value, int):
        return str(value) if abs(value) < 10_000 else count(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested settings as (dotted key, value), in their order."""
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            found += flat(value, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", value))
    return found
