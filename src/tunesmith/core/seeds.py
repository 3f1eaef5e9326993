"""Named random streams: one seed of the run, one independent stream for each purpose.

A stream depends on the run's seed and its own name only, so adding a stream, or drawing
more from one, never moves another.
"""

from __future__ import annotations

import hashlib
import random


def derive(seed: int, name: str) -> int:
    """A 63-bit seed for the stream called ``name``, fit for torch, numpy and random."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def stream(seed: int, name: str) -> random.Random:
    """Python's generator, seeded for the stream called ``name``."""
    return random.Random(derive(seed, name))
