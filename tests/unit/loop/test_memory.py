import time

from tunesmith.loop.memory import PeakMemory


def test_memory_that_was_given_back_still_counts() -> None:
    with PeakMemory(every_seconds=0.005) as memory:
        block = bytearray(64_000_000)
        block[::4096] = b"x" * len(block[::4096])
        time.sleep(0.1)
        del block
    assert memory.peak >= memory.before + 50_000_000
