"""Sixty seconds without NATS, under load: orders go on, and afterwards its readers have what the journal has."""

import asyncio
import time
from decimal import Decimal
from pathlib import Path

import pytest
from tests.services.nats import Nats
from tests.services.nats_reader import EVERYTHING, caught_up, check_view, connected
from tests.unit.application.gates import buy

from ordergate.bootstrap import open_gate
from ordergate.config import Config, FundSection
from ordergate.config.nats import NatsSection
from ordergate.domain.market import Quote

OUTAGE_S = 60
PAUSE_S = 0.05


@pytest.mark.slow(minutes=2)
@pytest.mark.parametrize("how", ["killed", "paused"])
def test_sixty_seconds_without_the_server(tmp_path: Path, how: str) -> None:
    nats = Nats(tmp_path / "nats", "sync_interval: always")

    async def main() -> None:
        section = NatsSection(
            servers=(nats.url,), dialects=EVERYTHING, positions_bucket="POSITIONS", alerts=True
        )
        config = Config(nats=section, funds={"paper-momentum": FundSection(unlimited=True)})
        async with open_gate(config, f"sqlite:///{tmp_path / 'orders.db'}") as gate:
            quote = Quote(symbol="AAPL", time=gate.clock.now(), bid=Decimal(100), ask=Decimal(101))
            await gate.set_quote("paper", quote)
            took: dict[str, list[float]] = {"there": [], "away": []}
            over = asyncio.Event()
            state = "there"

            async def load() -> None:
                number = 0
                while not over.is_set():
                    began = time.monotonic()
                    await gate.execute(buy(f"key-{number}"))
                    took[state].append(time.monotonic() - began)
                    number += 1
                    await asyncio.sleep(PAUSE_S)

            loading = asyncio.ensure_future(load())
            await asyncio.sleep(OUTAGE_S / 4)
            state = "away"
            nats.kill() if how == "killed" else nats.pause()
            await asyncio.sleep(OUTAGE_S)
            behind = (await gate.journal.head()).size - await gate.journal.cursor("nats")
            assert behind > len(took["away"]), "orders went on while nothing could be published"
            nats.start() if how == "killed" else nats.resume()
            state = "there"
            await asyncio.sleep(1)
            over.set()
            await loading
            await gate.quiet()
            for outlet in ("nats", "nats-positions", "nats-alerts"):
                await caught_up(gate, outlet, within_s=120)
            await check_view(gate, nats.url)
            client = await connected(nats.url)
            bucket = await client.jetstream().key_value("POSITIONS")
            held = (await bucket.get("mts.v1.oms.positions.paper-momentum.AAPL")).value
            await client.close()
            (row,) = await gate.journal.select("positions")
            assert f'"quantity":"{row.quantity}"'.encode() in held
            for name, times_s in took.items():
                ordered = sorted(times_s)
                p50, p99 = (ordered[int(part * len(ordered))] * 1_000 for part in (0.5, 0.99))
                print(f"{how}, {name}: {len(times_s)} orders, p50 {p50:.1f} ms, p99 {p99:.1f} ms")

    try:
        asyncio.run(asyncio.wait_for(main(), 400))
    finally:
        nats.kill()
