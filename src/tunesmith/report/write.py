"""Write report.json and report.html of a run into its folder."""

from __future__ import annotations

import json
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
        body = json.dumps(report, ensure_ascii=False, indent=1, allow_nan=False)
        write_text_durably(folder / "report.json", body + "\n")
        write_text_durably(folder / "model-card.md", model_card(report))
        write_text_durably(folder / "report.html", render(report))
    except OSError as error:
        raise disk_error(error, folder) from error
    return folder / "report.html"
