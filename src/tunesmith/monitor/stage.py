"""Stage ``monitor``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tunesmith.core.artifact import Artifact, Draft
from tunesmith.core.stage import Context
from tunesmith.kinds import Health, Traces
from tunesmith.monitor.config import MonitorConfig


@dataclass(frozen=True, slots=True)
class MonitorInputs:
    """Requests with their times."""

    traces: Artifact[Traces]


@dataclass(frozen=True, slots=True)
class MonitorOutputs:
    """Each objective with its verdict."""

    health: Draft[Health]


class Monitor:
    """Traces -> latencies, abnormal rate and use, held against the objectives."""

    name: ClassVar[str] = "monitor"
    version: ClassVar[int] = 1

    def run(self, config: MonitorConfig, inputs: MonitorInputs, ctx: Context) -> MonitorOutputs:
        """Count, bound, judge; verdicts are met, violated, or not enough requests."""
        from tunesmith.monitor.health import judge

        folder = ctx.draft("health")
        judge(config, inputs.traces.path, folder=folder, ctx=ctx)
        return MonitorOutputs(health=Draft(folder))
