"""Stage names and where they live; a stage's module is imported when it is first used.

A package adds stages with the entry-point group ``tunesmith.stages``.
"""

from __future__ import annotations

from typing import Final

STAGES: Final[dict[str, str]] = {
    "collect": "tunesmith.prepare.stage:Collect",
    "collect-preferences": "tunesmith.prepare.stage:CollectPreferences",
    "prepare": "tunesmith.prepare.stage:Prepare",
    "fetch": "tunesmith.select.stage:Fetch",
    "select": "tunesmith.select.stage:Select",
    "evaluate": "tunesmith.evaluate.stage:Evaluate",
    "probe": "tunesmith.evaluate.stage:Probe",
    "gate": "tunesmith.evaluate.stage:Gate",
    "plan": "tunesmith.plan.stage:Plan",
    "train": "tunesmith.train.stage:Train",
    "align": "tunesmith.align.stage:Align",
    "compress": "tunesmith.compress.stage:Compress",
    "serve": "tunesmith.serve.stage:Serve",
    "monitor": "tunesmith.monitor.stage:Monitor",
    "replay": "tunesmith.renew.stage:Replay",
    "promote": "tunesmith.renew.stage:Promote",
}


def table() -> dict[str, str]:
    """Our stages and those of installed packages; ours cannot be replaced."""
    from importlib.metadata import entry_points

    others = {entry.name: entry.value for entry in entry_points(group="tunesmith.stages")}
    return {**others, **STAGES}
