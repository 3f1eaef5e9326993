"""Write report.json and report.html of a run into its folder."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunesmith.core.store import disk_error, write_text_durably
from tunesmith.report.card import model_card
from tunesmith.report.html import render


def write(report: Mapping[str, Any], folder: Path) -> Path:
    """Write ``report.json``, ``report.html`` and ``model-card.md``; the path of report.html."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        body = json.dumps(_finite(report), ensure_ascii=False, indent=1, allow_nan=False)
        write_text_durably(folder / "report.json", body + "\n")
        write_text_durably(folder / "model-card.md", model_card(report))
        write_text_durably(folder / "report.html", render(report))
    except OSError as error:
        raise disk_error(error, folder) from error
    return folder / "report.html"


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: a diverged loss is written as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value
