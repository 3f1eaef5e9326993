"""What a run is told about the machine and the versions it ran on."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Final

_PACKAGES: Final = (
    "torch",
    "transformers",
    "peft",
    "tokenizers",
    "pyarrow",
    "gguf",
    "xllamacpp",
    "sacrebleu",
)


def machine() -> dict[str, object]:
    """Processor, cores, memory in bytes, system and Python of this machine."""
    import psutil

    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": psutil.cpu_count(logical=False) or os.cpu_count() or 1,
        "memory_bytes": psutil.virtual_memory().total,
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Version of tunesmith and of each heavy package that is installed."""
    import tunesmith

    found = {"tunesmith": tunesmith.__version__}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
