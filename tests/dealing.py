"""The order in which workers take tests: each has a run of them to begin with, all of much the same length."""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def longest_first(items: Sequence[T], minutes: Callable[[T], int], workers: int) -> list[T]:
    """The same items: at the head of each worker's run some of those that have minutes, the rest as they were."""
    long = sorted((item for item in items if minutes(item)), key=minutes, reverse=True)
    rest = [item for item in items if not minutes(item)]
    found: list[T] = []
    for worker in range(workers):
        size = (len(items) - len(found)) // (workers - worker)
        mine = long[worker::workers]
        more = max(size - len(mine), 0)
        found += mine + rest[:more]
        rest = rest[more:]
    return found + rest
