"""``tunesmith doctor``: is this machine ready, and how to mend what is not. Needs no network."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final, Literal, NamedTuple

import click

from tunesmith.cli import options
from tunesmith.cli.terminal import harmless

Level = Literal["good", "note", "bad"]
_GIB: Final = 2**30
_NEEDED_FREE: Final = 2 * _GIB
"""The demo's store, cache and checkpoints together; measured once, rounded up."""

EXTRAS: Final[dict[str, tuple[str, ...]]] = {
    "data": ("pyarrow", "ftfy"),
    "train": ("torch", "transformers", "peft", "safetensors", "gguf"),
    "evaluate": ("rouge-score", "sacrebleu", "scipy"),
    "gguf": ("xllamacpp",),
    "serve": ("starlette", "uvicorn", "prometheus-client"),
}


class Check(NamedTuple):
    """One thing that was looked at, and what to do when it is not good."""

    name: str
    level: Level
    found: str
    fix: str = ""


@click.command(
    "doctor", epilog=options.examples("tunesmith doctor", "tunesmith doctor --project notes")
)
@options.project
def command(project: Path) -> int:
    """Check Python, packages, processor, memory, disk, cache and project; change nothing.

    Exits with 2 when something must be mended before a run can succeed.
    """
    marks = {
        "good": click.style("✓", fg="green"),
        "note": click.style("○", fg="yellow"),
        "bad": click.style("✕", fg="red"),
    }
    found = list(checks(project))
    for check in found:
        click.echo(f"{marks[check.level]} {check.name:<14} {harmless(check.found)}")
        if check.fix and check.level != "good":
            click.echo(f"  {'':<14} fix: {check.fix}")
    bad = sum(check.level == "bad" for check in found)
    click.echo(f"\n{bad} to mend" if bad else "\nReady.")
    return 2 if bad else 0


def checks(project: Path) -> Iterator[Check]:
    """Every check, quick ones first."""
    yield _python()
    yield from _packages()
    yield from _processor()
    yield _memory()
    yield from _disks(project)
    yield _project(project)


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    good = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Check(
        "python",
        "good" if good else "bad",
        f"{version} at {sys.executable}",
        "use Python 3.11 to 3.13",
    )


def _packages() -> Iterator[Check]:
    for extra, names in EXTRAS.items():
        versions = {name: _version(name) for name in names}
        missing = [name for name, version in versions.items() if version is None]
        told = ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())
        yield Check(
            f"[{extra}]", "note" if missing else "good", told, f"pip install 'tunesmith[{extra}]'"
        )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> Iterator[Check]:
    import psutil

    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    busy = load > cores * 1.5
    yield Check("processor", "note" if busy else "good", f"{cores} cores, load {load:.1f}",
                "other programs are using the cores: times will be longer")  # fmt: skip
    if _version("torch") is None:
        yield Check("torch", "note", "not installed", "pip install 'tunesmith[train]'")
        return
    try:
        import torch
    except ImportError as error:
        yield Check("torch", "bad", f"is installed but does not load: {error}",
                    "pip install --force-reinstall torch")  # fmt: skip
        return
    bf16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    words = "bf16 in hardware" if bf16 else "no bf16 in hardware: fp32 is used"
    yield Check("torch", "good", f"{torch.get_num_threads()} threads, {words}")
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    driver = shutil.which("nvidia-smi") is not None
    yield Check("gpu", "note" if driver and not gpus else "good", ", ".join(gpus) or "none: the processor is used",
                "a driver is here, but this torch cannot use it: install torch's CUDA build")  # fmt: skip


def _memory() -> Check:
    import psutil

    memory = psutil.virtual_memory()
    told = f"{memory.available / _GIB:.1f} of {memory.total / _GIB:.1f} GiB free"
    few = memory.available < 4 * _GIB
    return Check(
        "memory", "note" if few else "good", told, "close other programs, or set select.method=lora"
    )


def _disks(project: Path) -> Iterator[Check]:
    from tunesmith.api import cache_folder

    for name, folder in (("project disk", project.resolve()), ("cache", cache_folder())):
        there = next(path for path in (folder, *folder.parents) if path.exists())
        free = shutil.disk_usage(there).free
        if not os.access(there, os.W_OK):
            yield Check(
                name,
                "bad",
                f"{there} cannot be written",
                f"chmod u+w {there}, or choose another folder",
            )
        else:
            level: Level = "good" if free >= _NEEDED_FREE else "bad"
            yield Check(
                name,
                level,
                f"{free / _GIB:.1f} GiB free at {folder}",
                "make room: a run needs about 2 GiB",
            )


def _project(project: Path) -> Check:
    from tunesmith import api
    from tunesmith.core.errors import TunesmithError

    if not (project / "tunesmith.yaml").exists():
        return Check(
            "project", "note", f"no tunesmith.yaml in {project.resolve()}", "tunesmith init NAME"
        )
    try:
        loaded = api.load_project(project)
    except TunesmithError as error:
        return Check("project", "bad", f"{error.what}: {error.why}", error.fix)
    return Check("project", "good", f"{loaded.config.name}, recipe {loaded.config.recipe}")
