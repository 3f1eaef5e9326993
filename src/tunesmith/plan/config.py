"""Settings of the stage ``plan``: what the model must reach, and what prompts are tried first."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Gt, MinLen

from tunesmith.core.config import Config


class PlanConfig(Config):
    """Success criteria, and the rule that turns a baseline into a verdict."""

    metric: str = "rouge1"
    """The task's metric, as the evaluation names it; higher must be better."""
    target: float = 0.60
    """What the metric must reach. The project's rule: tune when the task's score is below 0.60 or below
    the target that you set here. Points of 100 for bleu and chrf."""
    shots: Annotated[tuple[Annotated[int, Ge(0)], ...], MinLen(1)] = (0, 3)
    """Numbers of examples with which the base model is tried; the best one stands for prompting."""
    at_least_rows: Annotated[int, Ge(1)] = 10
    """With fewer scored rows the verdict is `undecided`."""
    most_bits_per_byte: Annotated[float, Gt(0.0)] = 2.0
    """When the base model needs more bits than this for each byte of the expected answers (whole interval),
    it does not command their language or notation, and a small tuning cannot give it: `tune is not enough`.
    Measured with SmolLM2-135M, which was trained on English: 1.01 on English clinical notes, 2.29 on Chinese
    answers; an untrained model of its vocabulary needs 3.4 on English."""
    readable_bytes: Annotated[int, Ge(1)] = 40
    """Mean length of the expected answers from which the rule above applies: in a bare `yes` the form of the
    answer and its end decide the bits, and form is what tuning does give."""
    blocking: bool = False
    """Whether any verdict but `tune` stops the pipeline; otherwise it only informs."""
