"""What a fact must hold to be shown. Stages of other packages tell facts too, so each is checked once.

A shape is a mapping of keys, a list with the shape of its items, or a tuple of types. A key that
ends in ``?`` may be absent or null; ``*`` stands for every other key.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import Any, Final

Shape = Any

TEXT: Final = (str,)
NUMBER: Final = (int, float)
MAYBE: Final = (int, float, NoneType)

_PAIR: Final = {
    "name": TEXT, "before": MAYBE, "after": MAYBE, "difference": MAYBE, "low": NUMBER,
    "high": NUMBER, "n": MAYBE,
}  # fmt: skip
_CANDIDATE: Final = {
    "method": TEXT, "trainable_parameters": MAYBE, "memory_bytes": MAYBE, "seconds": MAYBE,
    "tokens": MAYBE, "cost": MAYBE, "fits": (bool,), "reason": TEXT, "currency?": TEXT,
}  # fmt: skip
_OBJECTIVE: Final = {
    "name": TEXT, "objective": NUMBER, "measured": MAYBE, "unit": TEXT, "decision": TEXT,
    "reason": TEXT,
}  # fmt: skip

_TRAINED: Final = (
    "steps", "best_step", "tokens", "loss_tokens", "seconds", "tokens_per_second", "peak_bytes",
    "parameters", "trainable_parameters", "matmul_share", "first_validation_loss",
    "best_validation_loss",
)  # fmt: skip

SHAPES: Final[dict[str, Shape]] = {
    "model": {},
    "verdict": {"verdict": TEXT, "reason": TEXT},
    "plan": {
        "chosen": TEXT, "reason": TEXT, "candidates": [_CANDIDATE], "assumptions?": [TEXT],
    },
    "serving": {"requests?": NUMBER, "tokens_per_second?": NUMBER},
    "health": {
        "latency?": {"*": {"*": MAYBE}}, "objectives?": [_OBJECTIVE], "use?": {},
        "abnormal?": {"count": MAYBE, "n": MAYBE, "upper": MAYBE},
    },
    "training": {"method?": TEXT, "precision?": TEXT, **{f"{name}?": NUMBER for name in _TRAINED}},
    "data": {
        "splits?": {"*": NUMBER}, "languages?": {"*": NUMBER}, "private?": {"*": NUMBER},
        "lengths?": {"unit": TEXT, "edges": [NUMBER], "counts": [NUMBER]},
        "drops?": [{"reason": TEXT, "source": TEXT, "row": NUMBER, "text": TEXT}],
    },
    "answers": {"subject": TEXT, "prompt": TEXT, "expected": TEXT, "answer": TEXT},
    "paired": _PAIR,
    "compression": {
        "variant": TEXT, "bytes": NUMBER, "parity?": TEXT, "ratio?": NUMBER,
        "prompt_tokens_per_second?": NUMBER, "tokens_per_second?": NUMBER, "perplexity?": NUMBER,
        "rouge1?": NUMBER, "agreement?": NUMBER,
    },
    "renewal": {"reason": TEXT, "current?": TEXT, "candidate?": TEXT, "paired?": [_PAIR]},
}  # fmt: skip
"""Fact name -> the shape of its body, or of each entry where a fact is a list."""


def problem(body: object, shape: Shape, where: str = "") -> str | None:
    """What is wrong with ``body``, in a few words with the key it is about; None when it fits."""
    if isinstance(shape, tuple):
        fits = isinstance(body, shape) and (bool in shape or not isinstance(body, bool))
        return None if fits else f"{where or 'it'} is {type(body).__name__}"
    if isinstance(shape, list):
        if not isinstance(body, list):
            return f"{where or 'it'} is {type(body).__name__}, not a list"
        found = (problem(item, shape[0], f"{where}[{i}]") for i, item in enumerate(body))
        return next((text for text in found if text), None)
    if not isinstance(body, Mapping):
        return f"{where or 'it'} is {type(body).__name__}, not a mapping"
    return _of_mapping(body, shape, where)


def _of_mapping(body: Mapping[str, Any], shape: Mapping[str, Shape], where: str) -> str | None:
    for key, inner in shape.items():
        name = key.removesuffix("?")
        path = f"{where}.{name}" if where else name
        if key == "*":
            others = [k for k in body if k not in shape and f"{k}?" not in shape]
            texts = (problem(body[k], inner, f"{where}.{k}" if where else k) for k in others)
            text = next((text for text in texts if text), None)
        elif body.get(name) is None and (key.endswith("?") or _may_be_null(inner, name, body)):
            text = None
        elif name not in body:
            text = f"{path} is missing"
        else:
            text = problem(body[name], inner, path)
        if text:
            return text
    return None


def _may_be_null(shape: Shape, name: str, body: Mapping[str, Any]) -> bool:
    return name in body and isinstance(shape, tuple) and NoneType in shape
