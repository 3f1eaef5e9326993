"""One command for each phase: run the pipeline as far as that phase."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tunesmith.cli import options


def _verb(name: str, text: str, example: str) -> click.Command:
    """The command ``tunesmith NAME``; everything before the phase is run or reused."""

    @click.command(
        name, help=text, epilog=options.examples(f"tunesmith {name}", f"tunesmith {name} {example}")
    )
    @options.running
    def command(project: Path, **given: Any) -> int:
        from tunesmith.cli.running import run_project

        return run_project(project, until=name, given=given)

    return command


prepare = _verb(
    "prepare",
    "Collect the rows, mend, filter, mask and split them. For every step the report shows rows in, "
    "rows out, and the reason for each row that was dropped.",
    "--dry-run",
)
plan = _verb(
    "plan",
    "Measure the base model on held-out rows, without and with examples in the prompt, and say "
    "whether prompting is enough or tuning is needed, with the interval and the reason.",
    "--set plan.target=0.7",
)
select = _verb(
    "select",
    "Forecast memory, time and cost of each method from the model's shapes and this machine's "
    "measured speed, and choose one.",
    "--set select.method=lora",
)
train = _verb(
    "train",
    "Tune the model. A training that was stopped or killed goes on from its last checkpoint.",
    "--set train.learning_rate=2e-4 --set train.num_train_epochs=2",
)
evaluate = _verb(
    "evaluate",
    "Score the tuned model on held-out rows, compare it row by row with the base model, probe what "
    "it forgot, invents or leaks, and let the gates decide.",
    "--accept 'retention' --because 'general questions do not matter here'",
)
align = _verb(
    "align",
    "Align the model with preference pairs. The project needs a `preferences` section.",
    "--set align.beta=0.2",
)
compress = _verb(
    "compress",
    "Write smaller forms of the model, load each again, and measure size, speed, perplexity and "
    "agreement beside the dense one.",
    "--dry-run",
)
monitor = _verb(
    "monitor",
    "Send real prompts to the real server at their own pace, and hold latency and abnormal "
    "requests against the objectives.",
    "--set monitor.ttft_p99_seconds=1.0",
)
renew = _verb(
    "renew",
    "Train a further round on later rows with replay of the old ones, and promote it or refuse it "
    "by gates. The project needs `renew.rows`.",
    "--dry-run",
)
