"""The work of the stage ``monitor``: latencies, abnormal rate, use; each objective with its verdict."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import pyarrow.parquet as pq

from tunesmith.core.errors import DataError
from tunesmith.core.stage import Context, GateResult
from tunesmith.metrics.exact_bounds import (
    quantile,
    quantile_at_most,
    rate_at_least,
    rate_at_most,
    trials_needed,
)
from tunesmith.monitor.config import MonitorConfig

_SHARES: Final = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
_TOLERATED: Final = 1 - _SHARES["p99"]

_DECISIONS: Final = {"met": "passed", "violated": "failed", "not enough requests": "undecided"}


@dataclass(frozen=True, slots=True)
class Finding:
    """An objective, what was measured, and what so many requests can say about it."""

    name: str
    verdict: Literal["met", "violated", "not enough requests"]
    objective: float
    measured: float | None
    bound: float | None
    """Upper bound of the measured quantity at the confidence asked for; None: none can be given."""
    unit: str
    reason: str
    n: int

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, the verdict also as the report's decision."""
        return {
            "name": self.name, "decision": _DECISIONS[self.verdict], "verdict": self.verdict,
            "objective": self.objective, "measured": self.measured, "bound": self.bound,
            "unit": self.unit, "reason": self.reason, "n": self.n,
        }  # fmt: skip


def judge(config: MonitorConfig, traces: Path, *, folder: Path, ctx: Context) -> dict[str, Any]:
    """Write ``health.json`` into ``folder``, tell the fact ``health`` and a gate for each decision."""
    table = pq.read_table(traces / "traces.parquet").to_pydict()
    if not table["id"]:
        raise _no_requests(traces)
    server = json.loads((traces / "server.json").read_text(encoding="utf-8"))
    faults = [fault for fault in table["fault"] if fault]
    # a request without a first token waited at least as long as it lasted
    first = [
        total if ttft is None else ttft
        for ttft, total in zip(table["ttft_seconds"], table["total_seconds"], strict=True)
    ]
    findings = [latency(config, first), abnormal(config, len(faults), len(table["id"]))]
    health = {
        "format": 1,
        "objectives": [finding.as_dict() for finding in findings],
        "latency": {
            name: _latency(values, config.confidence)
            for name, values in (
                ("ttft", first), ("total", table["total_seconds"]),
                ("queued", [value for value in table["queued_seconds"] if value is not None]),
            )
        },
        "abnormal": _abnormal(config, faults, len(table["id"])),
        "use": _use(server.get("use", {})),
    }  # fmt: skip
    (folder / "health.json").write_text(json.dumps(health, indent=2) + "\n", encoding="utf-8")
    ctx.fact("health", health)
    for finding in findings:
        if finding.verdict == "not enough requests":
            # neither passed nor failed: a gate would have to say one of them
            ctx.note(f"{finding.name}: {finding.verdict}: {finding.reason}")
        else:
            ctx.gate(_gate(config, finding))
    return health


def latency(config: MonitorConfig, first_token_seconds: Sequence[float]) -> Finding:
    """The 99th percentile of the time to first token against its objective.

    "P99 at most x" is the same as "at most 1 % take longer than x", so the count of slower requests
    decides, exactly and for any distribution.
    """
    n = len(first_token_seconds)
    slow = sum(seconds > config.ttft_p99_seconds for seconds in first_token_seconds)
    verdict = _verdict(slow, n, _TOLERATED, config.confidence)
    words = f"{slow} of {n} requests took longer than {config.ttft_p99_seconds:g} s"
    return Finding(
        name="P99 time to first token",
        verdict=verdict,
        objective=config.ttft_p99_seconds,
        measured=quantile(first_token_seconds, 0.99),
        bound=quantile_at_most(first_token_seconds, 0.99, confidence=config.confidence),
        unit="seconds",
        reason=words + _needed(verdict, slow, n, _TOLERATED, config.confidence),
        n=n,
    )


def abnormal(config: MonitorConfig, bad: int, n: int) -> Finding:
    """The share of abnormal requests against its objective."""
    verdict = _verdict(bad, n, config.abnormal_rate, config.confidence)
    bound = rate_at_most(bad, n, confidence=config.confidence)
    words = f"{bad} of {n} requests were abnormal, so the rate is at most {bound:.2%}"
    return Finding(
        name="abnormal requests",
        verdict=verdict,
        objective=config.abnormal_rate,
        measured=bad / n,
        bound=bound,
        unit="share",
        reason=words + _needed(verdict, bad, n, config.abnormal_rate, config.confidence),
        n=n,
    )


def _verdict(
    bad: int, n: int, allowed: float, confidence: float
) -> Literal["met", "violated", "not enough requests"]:
    if rate_at_most(bad, n, confidence=confidence) <= allowed:
        return "met"
    if rate_at_least(bad, n, confidence=confidence) > allowed:
        return "violated"
    return "not enough requests"


def _needed(verdict: str, bad: int, n: int, allowed: float, confidence: float) -> str:
    if verdict != "not enough requests":
        return ""
    needed = trials_needed(allowed, bad=bad, confidence=confidence)
    return f"; {needed:,} with no more than {bad} such would prove the objective, {n:,} were made"


def _latency(values: Sequence[float], confidence: float) -> dict[str, float | None]:
    found = {name: quantile(values, share) for name, share in _SHARES.items()}
    bounds = {
        f"{name}_at_most": quantile_at_most(values, share, confidence=confidence)
        for name, share in _SHARES.items()
    }
    return {**found, **bounds}


def _abnormal(config: MonitorConfig, faults: Sequence[str], n: int) -> dict[str, Any]:
    return {
        "count": len(faults),
        "n": n,
        "rate": len(faults) / n,
        "upper": rate_at_most(len(faults), n, confidence=config.confidence),
        "needed": trials_needed(
            config.abnormal_rate, bad=len(faults), confidence=config.confidence
        ),
        "by_fault": dict(sorted(Counter(faults).items())),
    }


def _use(use: dict[str, Any]) -> dict[str, Any]:
    return {
        "cpu": use.get("cpu"), "memory_bytes": use.get("peak_memory_bytes"),
        "gpu": use.get("gpu"), "gpu_memory_bytes": use.get("gpu_memory_bytes"),
    }  # fmt: skip


def _gate(config: MonitorConfig, finding: Finding) -> GateResult:
    return GateResult(
        name=finding.name,
        passed=finding.verdict == "met",
        reason=f"{finding.verdict}: {finding.reason}",
        compared="served requests with the objective",
        value=finding.measured,
        high=finding.bound,
        threshold=finding.objective,
        n=finding.n,
        unit=finding.unit,
        blocking=config.blocking and finding.verdict == "violated",
    )


def _no_requests(traces: Path) -> DataError:
    return DataError(
        f"{traces} holds no request",
        why="no objective can be judged on no traffic",
        fix="raise serve.requests and run `tunesmith run --from serve` again",
        code="no-requests",
    )
