"""Runs worlds, one after the other, in memory-backed files."""

import gc
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from tests.simulation.outcome import Outcome
from tests.simulation.store import template
from tests.simulation.world import World

_MEMORY = Path("/dev/shm")
_COLLECT_EVERY = 40


@contextmanager
def folder() -> Iterator[Path]:
    """Where the files of runs go: in memory, where the machine has such a place."""
    place = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="simulation-", dir=place) as name:
        yield Path(name)


@contextmanager
def quietly() -> Iterator[None]:
    """Without the logs of things that are meant to go wrong, and without surprises from the collector."""
    before = structlog.get_config()
    structlog.configure(
        processors=[_drop],
        wrapper_class=structlog.make_filtering_bound_logger(50),
        cache_logger_on_first_use=False,
    )
    stays = gc.get_freeze_count() > 0  # among other tests: what they share must not be looked through again
    gc.collect()
    gc.freeze()  # what is loaded by now stays: a collection between runs need not look at it
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        if not stays:
            gc.unfreeze()
        structlog.configure(**before)


def _drop(_logger: object, _name: str, _event: object) -> object:
    raise structlog.DropEvent


def run(number: int, place: Path, trace: Callable[[str], None] | None = None) -> Outcome:
    """One run; what breaks the simulation itself is a problem of the run, too."""
    try:
        outcome = World(number, place, template(place), trace).run()
    except Exception:
        outcome = Outcome(number, [traceback.format_exc()], broke=True)
    if number % _COLLECT_EVERY == 0:
        gc.collect()
    return outcome
