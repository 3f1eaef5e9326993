"""Settings of the stage ``monitor``."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Gt, Lt

from tunesmith.core.config import Config


class MonitorConfig(Config):
    """Objectives that served traffic is held against."""

    ttft_p99_seconds: Annotated[float, Gt(0.0)] = 0.5
    """99 of 100 requests must see their first token within this time."""
    abnormal_rate: Annotated[float, Gt(0.0), Lt(1.0)] = 0.001
    """Largest share of requests that may end abnormally: error, refusal, time-out, broken stream."""
    confidence: Annotated[float, Gt(0.5), Lt(1.0)] = 0.95
    """Of every verdict and bound, one-sided."""
    blocking: bool = False
    """Whether a violated objective stops the pipeline; one that is not proven never does."""
