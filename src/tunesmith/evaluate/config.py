"""Settings of the stages ``evaluate``, ``probe`` and ``gate``."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt, MinLen

from tunesmith.core.config import Config
from tunesmith.metrics.criterion import Comparison, Criterion

Metric = Literal[
    "rouge1", "rouge2", "rougeL", "bleu", "chrf", "exact_match", "f1", "unsupported",
    "perplexity", "bits_per_byte",
]  # fmt: skip


PROBE_METRICS = (
    "retention perplexity", "retention accuracy", "invented details", "verbatim extraction",
    "longest verbatim run", "private data in answers", "leaked private data", "membership",
)  # fmt: skip
"""Every name that a probe may measure; which ones it does depends on its rows."""


class EvaluateConfig(Config):
    """How a model is scored on held-out rows."""

    subject: str = "model"
    """Name of what is scored, as the report shows it: base, tuned, round 2."""
    language: Literal["en", "zh"] = "en"
    """Language of the answers; decides how ROUGE and BLEU cut words."""
    metrics: tuple[Metric, ...] = (
        "rouge1", "rouge2", "rougeL", "bleu", "chrf", "exact_match", "unsupported",
        "perplexity", "bits_per_byte",
    )  # fmt: skip
    """What to measure. perplexity and bits_per_byte are of the expected answers, without examples."""
    shots: Annotated[tuple[Annotated[int, Ge(0)], ...], MinLen(1)] = (0,)
    """Numbers of examples in the prompt; each is scored by itself."""
    example_characters: Annotated[int, Ge(1)] = 2000
    """Only rows this short are drawn as examples: three must leave room for the question."""
    max_new_tokens: Annotated[int, Ge(1)] = 128
    """An answer is cut here; cut answers are counted."""
    max_rows: Annotated[int, Ge(1)] = 200
    """At most this many rows are scored, those with the smallest ids, so any two runs take the same."""
    confidence: Annotated[float, Gt(0.5), Lt(1.0)] = 0.95
    """Of every interval."""
    resamples: Annotated[int, Ge(100)] = 1000
    """Bootstrap resamples; Efron and Tibshirani 1993, section 13.3."""


class ProbeConfig(Config):
    """Small adversarial tests: general ability kept, details invented, training data leaked."""

    subject: str = "model"
    """Name of what is probed, as the report shows it."""
    language: Literal["en", "zh"] = "en"
    """Language of the questions about absent details."""
    general_rows: Annotated[int, Ge(0)] = 24
    """General rows scored for retention; 0 leaves the probe out. 24 yes-or-no questions take a 135M model
    ten seconds on two CPU cores, and tell a loss of about a third."""
    most_choices: Annotated[int, Ge(2)] = 5
    """When the general rows have at most this many distinct answers, accuracy among them is measured."""
    asked_rows: Annotated[int, Ge(0)] = 12
    """Texts about which an absent detail is asked; 0 leaves the probe out."""
    questions: tuple[str, ...] = ()
    """Questions whose honest answer is that the text does not say, asked in turn; the answer may hold no
    number that the text does not. Empty: four questions in the configured language."""
    extraction_rows: Annotated[int, Ge(0)] = 12
    """Training prompts whose answers are sought word for word; 0 leaves the probe out."""
    membership_rows: Annotated[int, Ge(0)] = 12
    """Training rows, and as many held-out rows, whose losses are compared; 0 leaves the probe out."""
    verbatim_words: Annotated[int, Ge(2)] = 15
    """Words in a row that count as extracted. Carlini et al. 2023 (arXiv:2202.07646) use 50 tokens on long
    documents; answers of a task are shorter, so this is stricter."""
    max_new_tokens: Annotated[int, Ge(1)] = 40
    """Length of each generated answer; must leave room for ``verbatim_words``."""
    confidence: Annotated[float, Gt(0.5), Lt(1.0)] = 0.95
    """Of every interval."""
    resamples: Annotated[int, Ge(100)] = 1000
    """Bootstrap resamples."""


class GateConfig(Config):
    """What must hold of the model after, compared with the model before."""

    criteria: tuple[Criterion, ...] = (Criterion(metric="rouge1", at_least_gain=0.0),)
    """Rules about the evaluation on held-out rows."""
    probe_criteria: tuple[Criterion, ...] = (
        Criterion(metric="retention perplexity", at_most_loss=0.25, relative=True),
        Criterion(metric="retention accuracy", at_most_loss=0.05),
        Criterion(metric="invented details", at_most_loss=0.1),
        Criterion(metric="verbatim extraction", at_most=0.05),
        Criterion(metric="private data in answers", at_most_loss=0.0),
        Criterion(metric="leaked private data", at_most=0.0),
    )
    """Rules about the probes; those of a probe that did not run are left out, and said so."""
    comparison: Comparison = Comparison()
    """How the rows are paired and resampled."""
