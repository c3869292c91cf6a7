"""Hypothesis: no deadlines (machines differ), and in CI the same examples every time. Fixtures of servers.

Tests start a few hundred interpreters; those and the workers keep what they compile, also where the environment says
otherwise: to compile the tests anew takes as long as to import them.
"""

import gc
import os
import signal
import sys
from collections.abc import Generator, Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from ordergate.bootstrap.logs import show_no_locals
from tests.dealing import longest_first
from tests.services.memory import in_memory

_DEPTH = sys.getrecursionlimit()

# A shell's job in the background ignores Control-C, and so would all that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

pytest_plugins = [
    "tests.services.chain.ending",
    "tests.services.clickhouse",
    "tests.services.hub",
    "tests.services.kafka",
    "tests.services.nats",
    "tests.services.postgres",
    "tests.services.vault",
    "tests.services.venues",
]


def _are_quick(config: pytest.Config) -> bool:
    return bool(config.getoption("-m") == "not slow")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Quick tests wait as long as they work, so there are two for each processor; the slow ones measure."""
    return 2 * (os.cpu_count() or 1) if _are_quick(config) else 2


def pytest_configure(config: pytest.Config) -> None:
    """Files of quick tests are in memory, where no commit waits for a disk; the slow ones kill on a real one."""
    if _are_quick(config) and (folder := in_memory()) is not None:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(folder))
    show_no_locals()  # rich tracebacks cost more than many a test, too


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Each worker begins with some of the longest tests: one that began at the end would keep the others waiting."""
    workers = int(getattr(config, "workerinput", {}).get("workercount", 1))
    if not _are_quick(config) and workers > 1:
        items[:] = longest_first(items, _minutes, workers)


def _minutes(item: pytest.Item) -> int:
    """About as many as it takes, of those that are marked with them."""
    mark = item.get_closest_marker("slow")
    return 0 if mark is None else int(mark.kwargs.get("minutes", 0))


@pytest.fixture(autouse=True)
def _logs_stay() -> Iterator[None]:
    """The command line says where logs go and which; whoever listens in the next test hears all of them again."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture(autouse=True)
def _not_deeper() -> None:
    """Libraries of chains let Python recurse a hundred times as deep, and a test of deep nesting overflow the stack."""
    sys.setrecursionlimit(_DEPTH)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays to the end: the garbage collector need not look through all of it again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
