"""Runs one piece of work for each batch, here or in several processes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from typing import Final

Work = Callable[[int], None]
"""The number of a batch -> its part is written. Picklable: a function of a module, with values."""

_LOOK_SECONDS: Final = 0.2
_WAITING: Final = 4
"""Batches handed out for each process, so that none waits and a stop is quick."""


def run_all(
    work: Work, numbers: Sequence[int], *, processes: int, told: Callable[[int], None]
) -> None:
    """Do ``work`` for each number; ``told`` gets how many are done, again and again, and may raise.

    What a batch raises is raised here, and the others are not begun.
    """
    if processes <= 1 or len(numbers) <= 1:
        for done, number in enumerate(numbers):
            told(done)
            work(number)
        told(len(numbers))
        return
    # spawned, not forked: this process has threads of its own (torch, Arrow)
    pool = ProcessPoolExecutor(
        min(processes, len(numbers)), mp_context=get_context("spawn"), initializer=_follow,
        initargs=(os.getpid(),),
    )  # fmt: skip
    try:
        _hand_out(pool, work, numbers, processes * _WAITING, told)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _hand_out(
    pool: ProcessPoolExecutor, work: Work, numbers: Sequence[int], most: int,
    told: Callable[[int], None],
) -> None:  # fmt: skip
    rest = iter(numbers)
    running: set[Future[None]] = set()
    done = 0
    while done < len(numbers):
        while len(running) < most and (number := next(rest, None)) is not None:
            running.add(pool.submit(work, number))
        finished, running = wait(running, _LOOK_SECONDS, FIRST_COMPLETED)
        for one in finished:
            one.result()
        done += len(finished)
        told(done)


def _follow(parent: int) -> None:
    """End with the parent, also when it is killed: nobody would be left to take the results."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
