"""Properties at two depths: a test runs with few examples, its twin, marked slow, with as many as it deserves."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy


def _examples(number: int) -> settings:
    return settings(max_examples=number, deadline=None, suppress_health_check=[HealthCheck.too_slow])


QUICKLY = _examples(60)
_THOROUGHLY = _examples(1_000)


def thoroughly(test: Any, *strategies: SearchStrategy[Any]) -> Callable[..., None]:
    """The twin of a test that `given` made of those strategies."""
    return pytest.mark.slow(_THOROUGHLY(given(*strategies)(test.hypothesis.inner_test)))
