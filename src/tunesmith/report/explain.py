"""The page about an error code, from docs/errors (shipped inside the package as ``errors``)."""

from __future__ import annotations

from pathlib import Path

import tunesmith
from tunesmith.core.errors import ConfigError
from tunesmith.core.table import nearest


def page(code: str) -> str:
    """The page as Markdown.

    Raises:
        ConfigError: for a code that no error carries, naming the nearest one.

    """
    known = codes()
    if code not in known:
        near = nearest(code, known)
        raise ConfigError(
            f"there is no error with the code {code!r}",
            why="a code stands in the last line of an error: `see: tunesmith explain CODE`",
            fix=f"tunesmith explain {near}" if near else "`tunesmith explain` lists every code",
            code="code-unknown",
        )
    return (_folder() / f"{code}.md").read_text(encoding="utf-8")


def codes() -> list[str]:
    """Every code that has a page, in order."""
    return sorted(path.stem for path in _folder().glob("*.md") if path.stem != "README")


def _folder() -> Path:
    """Beside the package when it is installed; in the source tree's docs otherwise."""
    package = Path(tunesmith.__file__).parent
    shipped = package / "errors"
    return shipped if shipped.is_dir() else package.parent.parent / "docs" / "errors"
