"""The data card: what came in, what was done to it, what came out; as JSON, Markdown and a fact."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tunesmith.prepare.config import PrepareConfig
from tunesmith.prepare.engine.tally import StepCount
from tunesmith.prepare.words import Language, main_script, words
from tunesmith.privacy.find import CONSTANTS
from tunesmith.records.conversation import Conversation

CARD_VERSION: Final = 1
_MOST_BARS: Final = 15
_COUNTED: Final = ("words", "characters", "scripts", "sources")


@dataclass(slots=True)
class Portrait:
    """What a stream of rows looks like: counted while the rows pass, without keeping them."""

    language: Language
    rows: int = 0
    words: Counter[int] = field(default_factory=Counter)
    """Rows by their length in words, every turn counted."""
    characters: Counter[int] = field(default_factory=Counter)
    scripts: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)

    def look(self, row: Conversation) -> None:
        """Count one row."""
        text = "\n".join(message.content for message in row.messages)
        self.rows += 1
        self.words[len(words(text, self.language))] += 1
        self.characters[len(text)] += 1
        self.scripts[main_script(text)] += 1
        self.sources[row.source] += 1

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values; lengths become text, as JSON's keys are."""
        return {name: dict(getattr(self, name)) for name in _COUNTED}

    def add(self, body: Mapping[str, Any]) -> None:
        """Add what `as_dict` of another portrait gave."""
        for name in _COUNTED:
            key = int if name in {"words", "characters"} else str
            getattr(self, name).update({key(k): n for k, n in body[name].items()})
        self.rows += sum(body["sources"].values())


def card(
    config: PrepareConfig,
    steps: Sequence[StepCount],
    splits: Mapping[str, int],
    portrait: Portrait,
    samples: Sequence[Mapping[str, object]],
) -> dict[str, Any]:
    """The whole card as plain JSON values; counts by kind list every kind, also those not found."""
    private = Counter({kind: 0 for kind in CONSTANTS})
    for step in steps:
        private.update({kind: step.found[kind] for kind in CONSTANTS})
    return {
        "version": CARD_VERSION,
        "language": config.language,
        "licence": config.licence or "not stated",
        "rows": {"raw": steps[0].rows_in if steps else portrait.rows, "kept": portrait.rows},
        "splits": dict(splits),
        "steps": [_step(step) for step in steps],
        "sources": dict(sorted(portrait.sources.items())),
        "lengths": {"unit": "words", **histogram(portrait.words)},
        "characters": {"unit": "characters", **histogram(portrait.characters)},
        "languages": {f"{name} script": n for name, n in sorted(portrait.scripts.items())},
        "private": dict(private),
        "drops": list(samples),
        "settings": config.as_dict(),
    }


def write(folder: Path, body: Mapping[str, Any]) -> None:
    """Write ``card.json`` and ``card.md``."""
    text = json.dumps(body, ensure_ascii=False, indent=1, sort_keys=True)
    (folder / "card.json").write_text(text + "\n", encoding="utf-8")
    (folder / "card.md").write_text(markdown(body), encoding="utf-8")


def histogram(counts: Mapping[int, int]) -> dict[str, list[int]]:
    """At most 15 bars of one round width from 0 to the longest; ``edges`` has one more entry."""
    longest = max(counts, default=0)
    width = next(
        step * 10**power
        for power in range(20)
        for step in (1, 2, 5)
        if step * 10**power * _MOST_BARS > longest
    )
    bars = longest // width + 1
    heights = [0] * bars
    for length, count in counts.items():
        heights[length // width] += count
    return {"edges": [width * i for i in range(bars + 1)], "counts": heights}


def markdown(body: Mapping[str, Any]) -> str:
    """The card for a person to read."""
    splits = ", ".join(f"{name} {count:,}" for name, count in body["splits"].items())
    lines = [
        "# Data card",
        "",
        f"{body['rows']['raw']:,} rows came in, {body['rows']['kept']:,} are kept: {splits}.",
        f"Licence: {body['licence']}.",
        "",
        "| step | rows in | rows out | dropped | found |",
        "|---|--:|--:|---|---|",
    ]
    for step in body["steps"]:
        dropped, found = _words(step["dropped"]), _words(step["found"])
        lines.append(
            f"| {step['step']} | {step['rows_in']} | {step['rows_out']} | {dropped} | {found} |"
        )
    lines += ["", "## Sources", ""]
    lines += [f"- {source}: {count:,} rows" for source, count in body["sources"].items()]
    lines += ["", "## Private data replaced by constants", ""]
    lines += [f"- {CONSTANTS[kind]}: {count:,}" for kind, count in body["private"].items()]
    return "\n".join(lines) + "\n"


def _step(step: StepCount) -> dict[str, Any]:
    return {
        "step": step.step,
        "rows_in": step.rows_in,
        "rows_out": step.rows_out,
        "dropped": dict(sorted(step.dropped.items())),
        "found": dict(sorted(step.found.items())),
    }


def _words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "-"
