"""A full disk under a running gate: nothing new is taken, nothing is half done, and it goes on when there is room."""

import asyncio
import time
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from ordergate.adapters.clock import SystemClock
from ordergate.adapters.ids import TimeIds
from ordergate.adapters.journals import stores
from ordergate.adapters.journals.location import place_beside
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.adapters.secrets.audit_key import find_key
from ordergate.application.audit.replay import replay
from ordergate.application.audit.verify import verify
from ordergate.bootstrap import assemble, open_gate
from ordergate.config import Config
from ordergate.domain.errors import OutcomeUnknown, StoreError
from ordergate.domain.orders import reports as r
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.states import OrderType, Side, State
from ordergate.protocols.tlog import Signer
from ordergate.testing.scripted_broker import ScriptedBroker
from tests.services.funds import RICH
from tests.services.postgres import NoPostgres, give, name_of, postgres_server
from tests.services.small_disk import fill, small_disk

CONFIG = Config(limits=RICH)
FULL = "disk is full|disk may be full"
SIGNER = Signer(CONFIG.audit.origin, bytes(32))


def order(key):
    return SubmitOrder(
        fund_id="paper-momentum",
        symbol="AAPL",
        side=Side.BUY,
        quantity=Decimal(100),
        order_type=OrderType.LIMIT,
        limit_price=Decimal("180.50"),
        key_kind="idempotency_key",
        key=key,
        thesis="a long one " * 500,
    )


def executed(client_id):
    return r.Executed(
        broker="paper",
        client_id=client_id,
        exec_id="x1",
        quantity=Decimal(100),
        price=Decimal("180.40"),
        time=SystemClock().now(),
    )


@asynccontextmanager
async def scripted(journal, broker):
    async with assemble(CONFIG, journal, SIGNER, SystemClock(), TimeIds(), [broker]) as gate:
        yield gate


async def until_full(gate, keys, taken):
    """Submits until the store refuses."""
    while True:
        key = next(keys)
        taken[key] = (await gate.execute(order(key))).order.order_id


async def lives_through_a_full_disk(journal, disk):
    broker, taken, keys = ScriptedBroker(), {}, (f"key-{number}" for number in range(100_000))
    async with scripted(journal, broker) as gate:
        waits = (await gate.execute(order("waits"))).order
        await gate.quiet()
        filler = fill(disk)
        for _ in range(2):
            with pytest.raises(StoreError, match=FULL):
                await until_full(gate, keys, taken)
        sent = len(broker.calls)
        gate.runner.report(executed(broker.calls[0].client_id))  # what a broker says waits
        await asyncio.sleep(0.3)
        with pytest.raises(StoreError, match=FULL):
            await gate.execute(order("refused"))
        assert len(broker.calls) == sent == 1 + len(taken)
        assert gate.runner.unreachable is not None
        assert (await gate.queries.order(waits.order_id)).state is State.SUBMITTED
        filler.unlink()
        await within(30, lambda: filled(gate, waits.order_id))
        assert gate.runner.unreachable is None
        again = await gate.execute(order("refused"))
        assert not again.replayed
        for key, order_id in taken.items():
            same = await gate.execute(order(key))
            assert (same.replayed, same.order.order_id) == (True, order_id)
        await gate.quiet()
        assert len({call.client_id for call in broker.calls}) == len(broker.calls) == 2 + len(taken)
    assert (await verify(journal, SIGNER.verifier)).signed
    assert await replay(journal, MemoryJournal()) == []


async def filled(gate, order_id):
    return (await gate.queries.order(order_id)).state is State.FILLED


async def within(seconds, found):
    until = time.monotonic() + seconds
    while not await found():
        assert time.monotonic() < until
        await asyncio.sleep(0.05)


def run(url, disk):
    async def main():
        journal = await stores.open_journal(url)
        try:
            await lives_through_a_full_disk(journal, disk)
        finally:
            await journal.close()

    asyncio.run(main())


@pytest.mark.slow
def test_the_disk_of_a_file():
    with small_disk(4) as disk:
        run(f"sqlite:///{disk / 'orders.db'}", disk)


@pytest.mark.slow
def test_the_disk_of_a_server(postgres):
    """Of its tables; the server itself goes on."""
    with small_disk(40) as disk:
        give(disk)
        postgres.sql(f"CREATE TABLESPACE small LOCATION '{disk}'")
        postgres.sql("CREATE DATABASE small TEMPLATE template0 TABLESPACE small")
        try:
            run(postgres.url("small"), disk)
        finally:
            postgres.sql("DROP DATABASE small WITH (FORCE)")
            postgres.sql("DROP TABLESPACE small")


@pytest.mark.slow(minutes=3)
def test_the_disk_of_a_servers_write_ahead_log(tmp_path, monkeypatch):
    """There PostgreSQL gives up; started again where there is room, the gate that ran on goes on."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with small_disk(10) as disk:
        give(disk)
        wal = disk / "wal"
        wal.mkdir()
        give(wal)
        settings = ("min_wal_size=2MB", "max_wal_size=3MB", "restart_after_crash=on")
        try:
            running = postgres_server(settings=settings, initdb=(f"--waldir={wal}", "--wal-segsize=1"))
            with running as server:
                url = server.database()
                asyncio.run(lives_through_a_crash(server, url, disk))
                venue = server.sql("SELECT count(*) FROM paper_paper.orders", name_of(url))
                journal = server.sql("SELECT count(*) FROM orders", name_of(url))
                assert venue == journal
        except NoPostgres as missing:
            pytest.skip(str(missing))


async def lives_through_a_crash(server, url, disk):
    taken, keys = {}, (f"key-{number}" for number in range(100_000))
    async with open_gate(CONFIG, url) as gate:
        first = await gate.execute(order("first"))
        await gate.quiet()
        filler = fill(disk)
        with pytest.raises((StoreError, OutcomeUnknown)):
            await until_full(gate, keys, taken)
        await asyncio.sleep(1)  # it tries to get up, and has no room for that either
        with pytest.raises((StoreError, OutcomeUnknown)):
            await until_full(gate, keys, taken)
        assert gate.runner.unreachable is not None
        filler.unlink()
        await asyncio.sleep(1)
        if "PANIC" in server.log() and not up(server):
            server.start()
        await within(30, lambda: answers(gate))
        for key, order_id in taken.items():
            same = await gate.execute(order(key))
            assert (same.replayed, same.order.order_id) == (True, order_id)
        assert (await gate.execute(order("first"))).order.order_id == first.order.order_id
        await within(30, lambda: all_sent(gate))
    assert "No space left on device" in server.log()
    reader = await stores.open_reader(url)
    try:
        key = find_key(CONFIG.audit.origin, None, place_beside(url))
        assert (await verify(reader, key.signer.verifier)).signed
        assert await replay(reader, MemoryJournal()) == []
    finally:
        await reader.close()


def up(server):
    try:
        server.sql("SELECT 1")
    except AssertionError:
        return False
    return True


async def answers(gate):
    try:
        await gate.execute(order("after"))
    except (StoreError, OutcomeUnknown):
        return False
    return True


async def all_sent(gate):
    found = gate.runner.engine.state.orders.rows.values()
    return all(one.state is State.SUBMITTED and not one.requests for one in found)
