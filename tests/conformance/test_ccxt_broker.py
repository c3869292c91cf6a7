"""The ccxt adapter passes the broker suite on spot and on perpetuals, through the real ccxt."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

pytest.importorskip("ccxt")

from ordergate.testing.conformance.broker import BrokerConformance
from ordergate.testing.conformance.counterpart import Counterpart
from tests.services.exchange import PERP, SPOT, counterpart


class TestSpot(BrokerConformance):
    @asynccontextmanager
    async def venue(self) -> AsyncIterator[Counterpart]:
        async with counterpart(SPOT) as found:
            yield found


class TestPerpetual(BrokerConformance):
    @asynccontextmanager
    async def venue(self) -> AsyncIterator[Counterpart]:
        async with counterpart(PERP) as found:
            yield found
