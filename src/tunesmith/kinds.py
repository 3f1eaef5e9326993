"""Every kind of artefact, with the files in its folder. A changed layout raises ``version``.

Rows are Parquet, facts are JSON, weights are safetensors; nothing here is a pickle.
"""

from __future__ import annotations

from typing import ClassVar


class Conversations:
    """Rows to train or evaluate on: ``rows.parquet`` in the layout of `tunesmith.records.conversation`."""

    name: ClassVar[str] = "conversations"
    version: ClassVar[int] = 1


class Preferences:
    """Pairs of a chosen and a rejected answer: ``rows.parquet`` (`tunesmith.records.preference`)."""

    name: ClassVar[str] = "preferences"
    version: ClassVar[int] = 1


class DataCard:
    """What was done to the rows: ``card.json``, ``card.md`` and ``drops.parquet``."""

    name: ClassVar[str] = "data-card"
    version: ClassVar[int] = 1


class Model:
    """A whole model, loadable by plain Transformers: ``config.json``, safetensors, tokenizer files."""

    name: ClassVar[str] = "model"
    version: ClassVar[int] = 1


class Tuned:
    """What training gives, in the layout of the field, and ``tuned.json`` {method, base, ...}.

    ``lora``: a PEFT adapter folder. ``full``: a whole Transformers model folder.
    """

    name: ClassVar[str] = "tuned"
    version: ClassVar[int] = 1


class Scores:
    """An evaluation, as estimates, as sums by row, and as answers.

    ``scores.json`` (estimates by name), ``statistics.parquet`` (sums by row), ``answers.parquet``.
    """

    name: ClassVar[str] = "scores"
    version: ClassVar[int] = 1


class Verdict:
    """A decision: ``verdict.json`` with what was compared, on how many rows, and why."""

    name: ClassVar[str] = "verdict"
    version: ClassVar[int] = 1


class Choice:
    """The chosen method with every candidate's predicted memory, time and cost: ``choice.json``."""

    name: ClassVar[str] = "choice"
    version: ClassVar[int] = 1


class Compressed:
    """Smaller forms of one model: one folder for each variant, and ``table.json`` of measurements."""

    name: ClassVar[str] = "compressed"
    version: ClassVar[int] = 1


class Traces:
    """Served requests with private data masked: ``traces.parquet`` and ``server.json``."""

    name: ClassVar[str] = "traces"
    version: ClassVar[int] = 1


class Health:
    """Objectives against measured traffic: ``health.json``."""

    name: ClassVar[str] = "health"
    version: ClassVar[int] = 1


KINDS: dict[str, type] = {
    kind.name: kind
    for kind in (
        Conversations, Preferences, DataCard, Model, Tuned, Scores,
        Verdict, Choice, Compressed, Traces, Health,
    )
}  # fmt: skip
