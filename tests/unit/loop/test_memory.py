import time

from tunesmith.loop.memory import PeakMemory


def test_memory_that_was_given_back_still_counts() -> None:
    with PeakMemory(every_seconds=0.005) as memory:
        wanted = memory.before + 50_000_000
        block = bytearray(200_000_000)
        block[::4096] = b"x" * len(block[::4096])
        deadline = time.monotonic() + 30
        while memory.peak < wanted and time.monotonic() < deadline:
            time.sleep(0.01)  # a stalled machine may not run the sampling thread for a while
        del block
    assert memory.peak >= wanted
