"""Imports go down only, as CONTRACTS.md and ARCHITECTURE.md say; read from the source, nothing is run."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "tunesmith"

FLOORS = [
    {"core"},
    {"kinds", "ports", "records", "sources", "tokens", "privacy", "losses", "metrics", "models", "budget"},
    {"loop", "decoding", "sandbox", "integrations"},
    {"plan", "prepare", "select", "train", "evaluate", "align", "compress", "serve", "monitor", "renew",
     "automl", "federate"},
    {"recipes", "backends", "stages", "worker"},
    {"report"},
    {"api"},
    {"cli", "web", "__main__"},
]  # fmt: skip
VERBS = 3
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# What a plain `pip install tunesmith` brings, and the material that numbers and rows are made of.
LIGHT = {"annotated_types", "click", "jinja2", "markupsafe", "psutil", "pydantic", "rich", "yaml"}
MATERIAL = {"numpy", "pyarrow", "safetensors", "torch"}
# Every other library has one door: the files named here, and nobody else, may import it.
DOORS = {
    "ftfy": {"prepare/"},
    "gguf": {"integrations/gguf", "integrations/transformers.py"},
    "huggingface_hub": {"integrations/huggingface.py"},
    "openai": set(),
    "peft": {"integrations/peft"},
    "prometheus_client": {"serve/"},
    "py3langid": {"prepare/"},
    "rouge_score": {"metrics/rouge.py"},
    "sacrebleu": {"metrics/bleu.py"},
    "scipy": {"metrics/significance.py"},
    "starlette": {"serve/"},
    "transformers": {"integrations/transformers"},
    "uvicorn": {"serve/"},
    "xllamacpp": {"integrations/llama_cpp"},
}
LIGHT_FILES = {"config.py", "stage.py"}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path, *, at_import: bool = False) -> Iterator[str]:
    """Dotted names that a module imports; with ``at_import``, only those that importing it runs."""
    todo: list[ast.AST] = [parsed(path)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            whole = node.module or ""
            yield from (
                (f"{whole}.{a.name}" for a in node.names) if whole == "tunesmith" else [whole]
            )
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            ("require", "import_module")
        ):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value
        skipped = at_import and (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            or (isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"))
        )
        if not skipped:
            todo.extend(ast.iter_child_nodes(node))


def ours(path: Path) -> set[str]:
    """Rooms of tunesmith that a module imports, other than its own."""
    names = {name.split(".")[1] for name in imports(path) if name.startswith("tunesmith.")}
    return names - {room(path), "__version__"}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_module_imports_only_lower_floors(path: Path) -> None:
    if path == SOURCE / "__init__.py":
        return
    floor = FLOOR_OF.get(room(path))
    assert floor is not None, (
        f"{room(path)} stands on no floor: give it one in FLOORS and ARCHITECTURE.md"
    )
    for other in ours(path):
        assert FLOOR_OF[other] <= floor, (
            f"{path}: floor {floor} imports {other} on floor {FLOOR_OF[other]}"
        )
        assert floor != VERBS or FLOOR_OF[other] != VERBS, (
            f"{path}: the verb {room(path)} imports {other}"
        )
        if room(path) == "backends":
            assert other == "core", f"{path}: a backend knows core only, not {other}"


def test_rooms_of_one_floor_do_not_import_each_other_in_a_circle() -> None:
    edges: dict[str, set[str]] = {name: set() for name in FLOOR_OF}
    for path in modules():
        if path != SOURCE / "__init__.py":
            edges[room(path)] |= ours(path)

    def reached(start: str, seen: frozenset[str]) -> None:
        for other in edges[start]:
            assert other not in seen, f"circle: {' -> '.join([*seen, other])}"
            reached(other, seen | {other})

    for name in edges:
        reached(name, frozenset({name}))


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_library_is_imported_only_by_its_own_door(path: Path) -> None:
    inside = str(path.relative_to(SOURCE))
    for library in {name.split(".")[0] for name in imports(path)} - {"tunesmith"}:
        if library in sys.stdlib_module_names or library in LIGHT:
            continue
        if library in MATERIAL:
            assert room(path) != "core", f"{path}: core knows nothing of {library}"
            continue
        assert library in DOORS, (
            f"{path}: {library} has no door: name the one file that may import it"
        )
        doors = DOORS[library]
        assert any(inside.startswith(door) for door in doors), (
            f"{path}: only {doors} may import {library}"
        )


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_what_every_command_loads_is_light(path: Path) -> None:
    """Settings, stages and the floors of wiring and doors import nothing heavy until they are called."""
    if path.name in LIGHT_FILES or FLOOR_OF.get(room(path), 0) > VERBS:
        loaded = {name.split(".")[0] for name in imports(path, at_import=True)}
        heavy = loaded & (MATERIAL | set(DOORS))
        assert not heavy, f"{path}: import {', '.join(heavy)} inside the function that uses it"
