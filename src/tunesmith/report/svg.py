"""Small pieces of SVG: elements whose text is always escaped, scales, and round tick marks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape


def element(tag: str, *children: object, **attributes: object) -> Markup:
    """One SVG element; ``class_`` and ``stroke_width`` become ``class`` and ``stroke-width``.

    Children that are plain text are escaped; numbers in attributes keep two decimals.
    """
    written = Markup("").join(
        Markup(' {}="{}"').format(name.rstrip("_").replace("_", "-"), _plain(value))
        for name, value in attributes.items()
        if value is not None
    )
    inside = Markup("").join(escape(child) for child in children)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(tag), written, inside)


def picture(
    width: float, height: float, children: Sequence[object], *, label: str, class_: str = "chart"
) -> Markup:
    """A whole SVG that scales to its place, with ``label`` for those who cannot see it."""
    return element(
        "svg", element("title", label), *children,
        viewBox=f"0 0 {width:g} {height:g}", role="img", class_=class_,
        aria_label=label, preserveAspectRatio="xMinYMin meet",
    )  # fmt: skip


def text(x: float, y: float, words: object, class_: str = "", anchor: str = "start") -> Markup:
    """Words with their baseline at (x, y)."""
    return element("text", words, x=x, y=y, class_=class_ or None, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps data in ``low..high`` to pixels in ``start..end``, straight or by logarithm."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of ``value``; values outside stop at the ends."""
        value = min(max(value, self.low), self.high)
        if self.high == self.low:
            return self.start
        if self.logarithmic:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers from ``low`` to ``high`` in steps of 1, 2 or 5: some ``about`` of them, 2 at least."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low]
    rough = (high - low) / about
    if rough < 1e-300:  # its parts would not be numbers any more
        return [low]
    power = 10.0 ** math.floor(math.log10(rough))
    found: list[float] = []
    for step in (power * m for m in (10, 5, 2, 1, 0.5, 0.2)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        found = [round(k * step, 12) for k in range(first, last + 1)]
        if len(found) >= max(2, about - 1):
            break
    return found or [low]


def tick_label(value: float) -> str:
    """A short label for an axis: no trailing zeros, thousands as k."""
    if abs(value) >= 10_000:
        return f"{value / 1000:g}k"
    return f"{value:g}"


def _plain(value: object) -> object:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value
