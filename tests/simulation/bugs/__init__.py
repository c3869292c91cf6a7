"""Mistakes that somebody could make, planted into the real code to see that the simulation finds them.

Each is a small patch at a seam of the package, undone afterwards. Its docstring is what the table in the
documents says of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.simulation.bugs import (
    binding,
    committing,
    reconciling,
    reporting,
    rerouting,
    sending,
    sharing,
)
from tests.simulation.bugs.registry import ALL, ROUTED

__all__ = [
    "ALL",
    "ROUTED",
    "binding",
    "committing",
    "planted",
    "reconciling",
    "reporting",
    "rerouting",
    "sending",
    "sharing",
]


@contextmanager
def planted(name: str | None) -> Iterator[None]:
    """With that mistake in the code; None is none."""
    if name is None:
        yield
        return
    with contextmanager({**ALL, **ROUTED}[name])():
        yield
