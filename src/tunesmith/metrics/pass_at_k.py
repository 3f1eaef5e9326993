"""pass@k: the chance that one of k samples is right."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tunesmith.metrics.estimate import Estimate, bootstrap_mean


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """Unbiased estimate for one problem: 1 - C(n - c, k) / C(n, k).

    ``1 - (1 - c/n)**k`` is biased and must not be used.

    Source: Chen et al. 2021 (arXiv:2107.03374), eq. 1.
    """
    assert 0 <= correct <= samples, f"{correct} of {samples} samples are correct"
    assert 1 <= k <= samples, f"k is {k} of {samples} samples"
    return 1.0 - math.comb(samples - correct, k) / math.comb(samples, k)


def mean_pass_at_k(
    samples: Sequence[int], correct: Sequence[int], k: int, *, seed: int, resamples: int = 1000
) -> Estimate:
    """Mean over problems, with the bootstrap interval over problems."""
    values = [pass_at_k(n, c, k) for n, c in zip(samples, correct, strict=True)]
    return bootstrap_mean(
        values, seed=seed, resamples=resamples, unit="share", scorer=f"pass@{k}, unbiased"
    )
