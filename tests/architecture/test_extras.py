"""Every module can be imported when only its own extra is installed; the other extras' packages are hidden."""

import json
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "tunesmith"

# Rooms and modules whose work needs an extra; the longest prefix counts. What none names, and every
# config.py, stage.py and __init__.py, is imported by a plain install.
EXTRA_OF = {
    "tunesmith.records.rows": "data",
    "tunesmith.prepare": "data",
    "tunesmith.losses": "train",
    "tunesmith.models.attention": "train",
    "tunesmith.models.lora": "train",
    "tunesmith.models.merge": "train",
    "tunesmith.models.quantize": "train",
    "tunesmith.tokens.batch": "train",
    "tunesmith.loop": "train",
    "tunesmith.decoding": "train",
    "tunesmith.select": "train",
    "tunesmith.train": "train",
    "tunesmith.align": "evaluate",
    "tunesmith.integrations": "train",
    "tunesmith.integrations.huggingface": "hub",
    "tunesmith.integrations.llama_cpp": "gguf",
    "tunesmith.integrations.llama_cpp_child": "gguf",
    "tunesmith.metrics": "evaluate",
    "tunesmith.evaluate": "evaluate",
    "tunesmith.plan": "evaluate",
    "tunesmith.renew": "evaluate",
    "tunesmith.compress": "all",
    "tunesmith.serve": "serve",
    "tunesmith.monitor": "serve",
}
LIGHT = {"config", "stage"}

HIDE = """
import importlib, json, sys
hidden, names = json.loads(sys.stdin.read())
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
failed = {}
for name in names:
    try:
        importlib.import_module(name)
    except Exception as error:
        failed[name] = f"{type(error).__name__}: {error}"
print(json.dumps(failed))
"""


def module_names() -> list[str]:
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found


def extra_of(module: str) -> str:
    if module.split(".")[-1] in LIGHT or (SOURCE.parent / module.replace(".", "/")).is_dir():
        return ""
    prefixes = [p for p in EXTRA_OF if module == p or module.startswith(f"{p}.")]
    return EXTRA_OF[max(prefixes, key=len)] if prefixes else ""


def distributions(extra: str) -> set[str]:
    """Names of the packages that an extra brings, those of the extras inside it included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found: set[str] = set()
    for requirement in project["optional-dependencies"].get(extra, []):
        name = requirement.partition(";")[0].split(">")[0].split("=")[0].strip()
        if name.startswith("tunesmith["):
            for inner in name.removeprefix("tunesmith[").removesuffix("]").split(","):
                found |= distributions(inner)
        else:
            found.add(name.lower().replace("_", "-"))
    return found


def hidden_from(extra: str) -> list[str]:
    """Top-level modules of packages that some extra brings and this one does not."""
    others = distributions("all") - distributions(extra)
    table = packages_distributions()
    return sorted(
        top for top, names in table.items() if {n.lower().replace("_", "-") for n in names} & others
    )


@pytest.mark.parametrize("extra", sorted({"", *EXTRA_OF.values()}), ids=lambda e: e or "plain")
def test_every_module_of_an_extra_imports_with_that_extra_alone(extra: str) -> None:
    names = [name for name in module_names() if extra_of(name) == extra]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", HIDE],
        input=json.dumps([hidden_from(extra), names]),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == {}


def test_a_plain_install_hides_torch_and_pyarrow() -> None:
    assert {"torch", "pyarrow", "transformers", "xllamacpp"} <= set(hidden_from(""))
