"""Wall time and CPU time of a stretch of work."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct


class Spent(Struct):
    """Seconds by the wall, and of the processor in this process."""

    wall_s: float = 0.0
    cpu_s: float = 0.0


@contextmanager
def stopwatch() -> Iterator[Spent]:
    """Gives a `Spent` that is filled at the end; garbage of before is collected first."""
    spent = Spent()
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield spent
    finally:
        spent.wall_s, spent.cpu_s = time.perf_counter() - wall, time.process_time() - cpu
