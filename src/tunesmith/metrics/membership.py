"""Membership: telling rows that were trained on from rows that were not, by their loss alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tunesmith.metrics.estimate import Estimate

SCORER = "AUC of nats per token, training against unseen rows"


def membership(
    trained_nats: Sequence[float],
    unseen_nats: Sequence[float],
    *,
    seed: int,
    resamples: int = 1000,
    confidence: float = 0.95,
) -> Estimate:
    """Chance that a training row has a lower loss a token than an unseen row; ties count half.

    0.5: the model does not tell; 1: every training row can be picked out. Both groups are
    resampled. ``n`` is the smaller group. The interval is a point when the groups do not overlap.

    Source: Yeom et al. 2018 (arXiv:1709.01604), the loss attack; Carlini et al. 2021
    (arXiv:2012.07805), section 5.2, perplexity as the measure.
    """
    trained_T, unseen_U = np.asarray(trained_nats, float), np.asarray(unseen_nats, float)
    lower_TU = (trained_T[:, None] < unseen_U) + 0.5 * (trained_T[:, None] == unseen_U)
    value = float(lower_TU.mean())
    draw = np.random.default_rng(seed)
    t, u = len(trained_T), len(unseen_U)
    counts_RT = draw.multinomial(t, np.full(t, 1.0 / t), resamples)
    counts_RU = draw.multinomial(u, np.full(u, 1.0 / u), resamples)
    drawn_R = ((counts_RT @ lower_TU) * counts_RU).sum(axis=1) / (t * u)
    tail = (1.0 - confidence) / 2.0
    low, high = (float(end) for end in np.quantile(drawn_R, [tail, 1.0 - tail]))
    return Estimate(value, min(low, value), max(high, value), min(t, u), "share", SCORER)
