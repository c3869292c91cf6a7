"""A gate with a market."""

from collections.abc import Iterator

import pytest

from ordergate.bootstrap import Gate
from tests.unit.sdk.venues.gates import HastyClock, quote, running


@pytest.fixture
def clock() -> HastyClock:
    return HastyClock()


@pytest.fixture
def gate(clock: HastyClock) -> Iterator[Gate]:
    """Where bitcoin is sold at 45,000."""
    with running(clock=clock) as gate:
        quote(gate, "BTC/USDT", 44_999, 45_000)
        yield gate
