"""Which rows each update sees: a function of the seed and the update's number alone.

Nothing is remembered from step to step, so a resumed training needs no position to be restored.
"""

from __future__ import annotations

from tunesmith.core import seeds


class Sampler:
    """A new order of all rows in each epoch, cut into batches; the last one may be smaller."""

    def __init__(self, rows: int, *, batch: int, seed: int) -> None:
        assert min(rows, batch) > 0, "there is something to draw"
        self._rows = rows
        self._batch = batch
        self._seed = seed
        self._epoch = -1
        self._order: list[int] = []

    @property
    def steps_per_epoch(self) -> int:
        """Updates in which every row is seen once."""
        return -(-self._rows // self._batch)

    def rows(self, step: int) -> list[int]:
        """The rows of update ``step``, counted from 0, as numbers below the number of rows."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._order = list(range(self._rows))
            seeds.stream(self._seed, f"epoch {epoch}").shuffle(self._order)
            self._epoch = epoch
        return self._order[position * self._batch : (position + 1) * self._batch]
