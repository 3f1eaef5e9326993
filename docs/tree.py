"""Write the list of files in ARCHITECTURE.md anew: ``python docs/tree.py``.

Each line is a file and the first sentence of its docstring, so the page cannot drift from the code;
a test fails when it does.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "tunesmith"
PAGE = ROOT / "ARCHITECTURE.md"
BEGIN, END = "<!-- files: begin -->", "<!-- files: end -->"

FLOORS = (
    ("floor 0", ("core",)),
    ("floor 1", ("kinds.py", "ports.py", "records", "sources", "tokens", "privacy", "losses", "metrics", "models", "budget")),
    ("floor 2", ("decoding", "loop", "integrations")),
    ("floor 3", ("plan", "prepare", "select", "train", "evaluate", "align", "compress", "serve", "monitor", "renew")),
    ("floor 4", ("recipes", "backends", "stages.py", "worker.py")),
    ("floor 5", ("report",)),
    ("floor 6", ("api.py", "__init__.py", "__main__.py")),
    ("floor 7", ("cli",)),
)  # fmt: skip


def first_sentence(path: Path) -> str:
    """First line of a module's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.splitlines()[0] if text else ""


def listing() -> str:
    """The floors from the bottom up, one line for each file."""
    lines = []
    for floor, rooms in FLOORS:
        lines += ["", f"### {floor}", ""]
        for room in rooms:
            path = PACKAGE / room
            files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
            for file in files:
                name = file.relative_to(ROOT).as_posix()
                lines.append(f"- `{name}`: {first_sentence(file)}")
    return "\n".join(lines[1:])


def page_with(text: str, files: str) -> str:
    """``text`` with the part between the marks replaced."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{files}\n{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8"), listing()), encoding="utf-8")
