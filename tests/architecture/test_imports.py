"""What `import tunesmith` and `tunesmith --help` load: modules are counted, never milliseconds."""

import subprocess
import sys

HEAVY = {
    "torch",
    "numpy",
    "pydantic",
    "transformers",
    "sqlite3",
    "pyarrow",
    "yaml",
    "rich",
    "jinja2",
}


def loaded_by(code: str) -> set[str]:
    """Names of the modules that are loaded after running ``code`` in a fresh interpreter."""
    end = "\nimport sys\nprint(*sorted(sys.modules), file=sys.__stderr__)"
    done = subprocess.run(
        [sys.executable, "-c", code + end], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stderr.split())


def tops(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def test_importing_tunesmith_loads_nothing_heavy() -> None:
    assert not tops(loaded_by("import tunesmith")) & HEAVY


def test_importing_tunesmith_loads_none_of_its_rooms() -> None:
    assert {n for n in loaded_by("import tunesmith") if n.startswith("tunesmith.")} == set()


def test_help_loads_no_command_and_nothing_heavy() -> None:
    code = "from tunesmith.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    loaded = loaded_by(code)
    commands = {n for n in loaded if n.startswith("tunesmith.cli.")} - {"tunesmith.cli.main"}
    assert not tops(loaded) & HEAVY
    assert commands == set()


def test_reading_settings_loads_nothing_that_computes() -> None:
    loaded = tops(
        loaded_by("import tunesmith.recipes.project, tunesmith.recipes.lifecycle, tunesmith.stages")
    )
    assert not loaded & {"torch", "numpy", "transformers", "pyarrow", "peft", "scipy"}
