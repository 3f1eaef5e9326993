"""report.html: one file that opens anywhere, without a server, a script or an outside request.

Everything that a model, a user or a data file wrote is escaped by the template engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import jinja2

from tunesmith.report import evidence, figures, front, work

_TEMPLATES = Path(__file__).parent / "page"

Report = Mapping[str, Any]
SECTIONS: Final[dict[str, tuple[str, Callable[[Report], Any]]]] = {
    "path": ("The path", front.steps),
    "gates": ("Gates", front.gates),
    "scores": ("Scores", evidence.scores),
    "answers": ("Answers", evidence.answers),
    "data": ("Data", evidence.data),
    "method": ("Method", work.method),
    "training": ("Training", work.training),
    "compression": ("Compression", work.compression),
    "traffic": ("Serving", work.traffic),
    "renewal": ("Renewal", work.renewal),
    "lineage": ("Lineage", evidence.lineage),
    "record": ("Record", evidence.record),
}
"""Sections of the page in order: anchor and template -> (title in the menu, view)."""


def render(report: Report) -> str:
    """The whole page for one report; parts that the report does not have are left out."""
    views = {name: view(report) for name, (_, view) in SECTIONS.items()}
    shown = [(name, title) for name, (title, _) in SECTIONS.items() if views[name]]
    return (
        _environment()
        .get_template("report.html")
        .render(**views, sections=shown, hero=front.hero(report), tiles=front.tiles(report))
    )


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("number", "signed", "count", "size", "duration", "percent", "interval",
                 "measured", "title", "sentence"):  # fmt: skip
        environment.filters[name] = getattr(figures, name)
    return environment
