"""The mistakes by name."""

from collections.abc import Callable, Iterator
from typing import Any, Final

Bug = Callable[[], Iterator[Any]]
ALL: Final[dict[str, Bug]] = {}


def bug(plant: Bug) -> Bug:
    """A mistake that can be planted, under the name of its function."""
    ALL[plant.__name__] = plant
    return plant


ROUTED: Final[dict[str, Bug]] = {}
"""Those that only a fund whose orders go on from broker to broker can show."""


def routed_bug(plant: Bug) -> Bug:
    """A mistake of them."""
    ROUTED[plant.__name__] = plant
    return plant
