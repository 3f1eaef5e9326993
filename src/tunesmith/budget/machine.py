"""What this machine has and how fast it multiplies: measured, so never part of a digest."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tunesmith.models.spec import ModelSpec

if TYPE_CHECKING:
    import torch

PROBE_ROWS = 1024
"""Tokens that the probe multiplies at once: a batch of 8 rows of 128 tokens."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The place where training would run."""

    name: str
    device: str
    """``cpu`` or ``cuda``."""
    memory_bytes: int
    """Memory that one process may use in all, not what happens to be free now."""
    matmul_rate: float
    """FLOPs a second in matrix products of the model's own shapes; 0 when it was not measured."""


def this_machine(device: str = "cpu") -> Machine:
    """The machine we run on, without its speed: nothing is measured, and torch is imported only for a GPU."""
    if device.startswith("cuda"):
        import torch

        properties = torch.cuda.get_device_properties(device)
        return Machine(properties.name, device, properties.total_memory, 0.0)
    return Machine(_processor(), "cpu", _memory_limit(), 0.0)


def matmul_rate(
    spec: ModelSpec,
    *,
    device: str = "cpu",
    dtype: torch.dtype | None = None,
    seconds: float = 1.0,
    threads: int = 0,
) -> float:
    """FLOPs a second in matrix products of ``spec``'s linear maps (bf16 unless said), in ``seconds``.

    Every size of one layer is multiplied in turn, so that the rate is that of the mixture; 4096 cubes
    would promise a quarter more than SmolLM2's narrow matrices give. ``threads`` 0 leaves torch's own.
    """
    import torch

    before = torch.get_num_threads()
    if threads:
        torch.set_num_threads(threads)
    try:
        return _rate(spec, device, dtype or torch.bfloat16, seconds)
    finally:
        torch.set_num_threads(before)


def _rate(spec: ModelSpec, device: str, dtype: torch.dtype, seconds: float) -> float:
    import torch

    def ones(rows: int, columns: int) -> torch.Tensor:
        return torch.ones(rows, columns, dtype=dtype, device=device)

    pairs = [
        (ones(PROBE_ROWS, each.inputs), ones(each.inputs, each.outputs)) for each in spec.linears
    ]
    flops = sum(2 * PROBE_ROWS * each.inputs * each.outputs for each in spec.linears)
    with torch.inference_mode():
        _multiply(pairs, device)  # the first round allocates and picks kernels
        rounds, started = 0, time.perf_counter()
        while (spent := time.perf_counter() - started) < seconds or rounds == 0:
            _multiply(pairs, device)
            rounds += 1
    return rounds * flops / spent


def _multiply(pairs: list[tuple[torch.Tensor, torch.Tensor]], device: str) -> None:
    for left, right in pairs:
        left @ right
    if device != "cpu":
        import torch

        torch.cuda.synchronize(device)


def _processor() -> str:
    """``AMD EPYC 9B14, 2 cores``; the architecture where the processor does not say its name."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else name}, {os.cpu_count()} cores"


def _memory_limit() -> int:
    """Physical memory, or the control group's limit where that is less (containers)."""
    import psutil

    physical = int(psutil.virtual_memory().total)
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limit = int(Path(path).read_text(encoding="ascii"))
        except (OSError, ValueError):  # no such control group, or the word "max"
            continue
        physical = min(physical, limit)
    return physical
