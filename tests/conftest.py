"""Hypothesis: no deadlines (machines differ), and in CI the same examples every time. Fixtures of servers.

Tests start a few hundred interpreters; those keep what they compile, also where the environment says otherwise.
"""

import gc
import os
from collections.abc import Generator, Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from ordergate.bootstrap.logs import show_no_locals
from tests.services.memory import in_memory

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

pytest_plugins = [
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


@pytest.fixture(autouse=True)
def _logs_stay() -> Iterator[None]:
    """The command line says where logs go and which; whoever listens in the next test hears all of them again."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays to the end: the garbage collector need not look through all of it again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
