"""A REST door over a gate in memory, called without a network."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from ordergate.adapters.brokers.paper import PaperBroker
from ordergate.adapters.clock import SystemClock
from ordergate.adapters.ids import CountingIds
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.api.rest.app import build
from ordergate.application.ports.brokers import Broker
from ordergate.application.ports.journal import Journal
from ordergate.bootstrap import Gate, assemble
from ordergate.config import Config, FundSection
from ordergate.domain.instruments import AssetClass
from ordergate.protocols.tlog import Signer

URL = "http://127.0.0.1:8012"
ORDER: dict[str, Any] = {
    "order_id": "ord-abc",
    "idempotency_key": "strat-v7-2026-05-23-AAPL-long",
    "symbol": "AAPL",
    "side": "buy",
    "quantity": "100",
    "order_type": "limit",
    "limit_price": "180.50",
    "tif": "gtc",
    "fund_id": "paper-momentum",
    "strategy_id": "momentum_v1",
    "broker": "paper",
    "actor": "research_signal_executor",
}
CONFIG = Config(
    funds={
        "paper-momentum": FundSection(),
        "fx-only": FundSection(asset_classes=(AssetClass.FX,), unlimited=True),
    }
)


class Room:
    """A client of a door, and what is behind it."""

    def __init__(self, gate: Gate, client: httpx2.AsyncClient, app: Any) -> None:
        self.gate, self.client, self.app = gate, client, app
        self.door = app.state.door

    async def submit(self, **changes: Any) -> httpx2.Response:
        """Submits the order with changes; `...` leaves a field out."""
        body = {name: value for name, value in (ORDER | changes).items() if value is not ...}
        return await self.client.post("/v1/orders", json=body)

    async def quote(self, symbol: str = "AAPL", bid: str = "180.40", ask: str = "180.50") -> httpx2.Response:
        return await self.client.put(f"/v1/paper/quotes/{symbol}", json={"bid": bid, "ask": ask})


@asynccontextmanager
async def room(
    config: Config = CONFIG, journal: Journal | None = None, brokers: Sequence[Broker] | None = None
) -> AsyncIterator[Room]:
    clock, signer = SystemClock(), Signer(config.audit.origin, bytes(32))
    if brokers is None:
        brokers = [
            PaperBroker(name, settings, None, clock, config.catalogue)
            for name, settings in config.brokers.items()
        ]
    journal = MemoryJournal() if journal is None else journal
    async with assemble(config, journal, signer, clock, CountingIds(), brokers) as gate:
        app = build(gate)
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url=URL) as client:
            yield Room(gate, client, app)


Talk = Callable[[Room], Awaitable[Any]]


def held(talk: Talk, **options: Any) -> Any:
    """What a talk with a door comes to."""

    async def main() -> Any:
        async with room(**options) as opened:
            return await talk(opened)

    return asyncio.run(main())


def problem(response: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """The problem of a refused request, of the shape that all have."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = response.json()
    assert (told["status"], told["code"]) == (status, code), told
    assert told["type"] == f"urn:ordergate:problem:{code.lower()}"
    assert told["request_id"] == response.headers["x-request-id"]
    assert told["title"]
    assert told["detail"]
    return told
