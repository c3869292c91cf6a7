"""Backups of a journal on PostgreSQL, restored: what is there again, and what a venue that lived on knows better."""

import asyncio
import shutil
from contextlib import contextmanager
from decimal import Decimal

import pytest

from ordergate.adapters.clock import SystemClock
from ordergate.adapters.journals import stores
from ordergate.adapters.journals.location import place_beside
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.adapters.secrets.audit_key import find_or_make_key
from ordergate.application.audit.replay import replay
from ordergate.application.audit.verify import verify
from ordergate.bootstrap import open_gate
from ordergate.config import Config
from ordergate.domain.errors import AuditError
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.states import OrderType, Side, State
from tests.services.postgres import USER, NoPostgres, give, name_of, postgres_server

CONFIG = Config()


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def shelf(postgres):
    """A folder that the server's programs may write."""
    folder = postgres.folder / "backup"
    folder.mkdir()
    give(folder)
    yield folder
    shutil.rmtree(folder)


def limit(key, price="180.50", quantity=100):
    return SubmitOrder(
        fund_id="paper-momentum",
        symbol="AAPL",
        side=Side.BUY,
        quantity=Decimal(quantity),
        order_type=OrderType.LIMIT,
        limit_price=Decimal(price),
        key_kind="idempotency_key",
        key=key,
    )


def market(bid, ask):
    return Quote("AAPL", SystemClock().now(), Decimal(bid), Decimal(ask), pinned=True)


def holds(url, key, old=None):
    """What a restored journal is, once everything in it has been checked."""

    async def main():
        reader = await stores.open_reader(url)
        try:
            found = await verify(reader, key.signer.verifier, old_checkpoint=old)
            assert found.signed
            assert await replay(reader, MemoryJournal()) == []
            return await reader.head()
        finally:
            await reader.close()

    return asyncio.run(main())


def key_of(url):
    return find_or_make_key(CONFIG.audit.origin, None, place_beside(url))


async def dumped(server, url, file, *options):
    """`pg_dump`, while the loop goes on."""
    where = ("-h", server.folder, "-U", USER)
    await asyncio.to_thread(server.run, "pg_dump", *where, "-Fc", "-f", file, *options, name_of(url))


def restored(server, file, url, *options):
    where = ("-h", server.folder, "-U", USER)
    server.run("pg_restore", *where, "-d", name_of(url), "--exit-on-error", *options, file)


@pytest.mark.slow
def test_a_dump_under_load_is_one_moment_of_the_journal(postgres, shelf, ready):
    """While two nodes write."""
    file = shelf / "dump"

    async def main():
        async with open_gate(CONFIG, ready) as one, open_gate(CONFIG, ready) as two:
            await one.set_quote("paper", market("180.30", "180.40"))
            writing = [asyncio.ensure_future(trade(gate, name)) for gate, name in ((one, "a"), (two, "b"))]
            await asyncio.sleep(0.5)
            before = await one.journal.head()
            await dumped(postgres, ready, file)
            for task in writing:
                task.cancel()
            await asyncio.gather(*writing, return_exceptions=True)
            await one.quiet()
            await two.quiet()
            return before.size

    before = asyncio.run(main())
    copy, key = postgres.database(), key_of(ready)
    restored(postgres, file, copy)
    head = holds(copy, key)
    live = holds(ready, key, old=head.checkpoint)
    assert 0 < before <= head.size < live.size


async def trade(gate, name):
    for number in range(100_000):
        await gate.execute(limit(f"{name}-{number}", "180.50" if number % 3 else "150"))


def orders_of(gate):
    return {order.idempotency_key: order for order in gate.runner.engine.state.orders.rows.values()}


@pytest.mark.slow
def test_an_old_journal_meets_a_venue_that_lived_on(postgres, shelf, ready):
    """Restored without the venue's schema. What the venue knows is booked where the order is known; orders that the
    journal has forgotten become breaks, and the broker is halted; nothing is sent again but the halt's cancels."""
    file = shelf / "dump"
    name = name_of(ready)

    async def before():
        async with open_gate(CONFIG, ready) as gate:
            await gate.execute(limit("old, filled later"))
            await gate.execute(limit("old, works", "150"))
            await gate.quiet()
            await dumped(postgres, ready, file, "--schema=public")
            made = [await gate.execute(limit(*new)) for new in (("new, works", "151"), ("new, filled",))]
            await gate.quiet()
            await gate.set_quote("paper", market("180.30", "180.40"))
            return await gate.journal.head(), *(one.order.order_id for one in made)

    async def after():
        async with open_gate(CONFIG, ready) as gate:
            for _ in range(100):
                await gate.quiet()
                if len(await gate.queries.breaks()) == 2:
                    break
                await asyncio.sleep(0.05)
            await asyncio.sleep(1)  # for what must not come
            breaks = await gate.queries.breaks()
            rows = await gate.journal.select("orders")
            positions = await gate.journal.select("positions")
            halts = await gate.journal.select("halts")
            return breaks, {row.idempotency_key: row.state for row in rows}, positions, halts

    lost, works, filled = asyncio.run(before())
    key = key_of(ready)
    requests = postgres.sql("SELECT count(*) FROM paper_paper.requests", name)
    postgres.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public", name)
    restored(postgres, file, ready, "--schema=public")
    breaks, states, positions, halts = asyncio.run(after())
    assert states == {"old, filled later": State.CLOSED, "old, works": State.CANCELED}
    assert [(halt.level, halt.name, halt.trigger) for halt in halts] == [
        ("broker", "paper", "reconciliation")
    ]
    assert [position.quantity for position in positions] == [100]
    after = postgres.sql("SELECT count(*) FROM paper_paper.requests", name)
    canceled = int(after) - int(requests)
    assert canceled in (1, 2), (
        "cancels of what is known to work: the halt may come before the fill of one is heard"
    )
    assert {each["kind"] for each in breaks} == {"unknown_order"}
    assert {each["detail"] for each in breaks} == {
        f"order {works}.1 works there, and the journal does not know it",
        f"order {filled}.1 was filled there, and the journal does not know it",
    }
    holds(ready, key)
    with pytest.raises(AuditError, match=r"other entries|once had"):
        holds(ready, key, old=lost.checkpoint)


@contextmanager
def archiving():
    """A server that archives its write-ahead log, and the folder of its backups."""
    try:
        with postgres_server(initdb=("--wal-segsize=1",)) as server:
            shelf = server.folder / "backup"
            (shelf / "wal").mkdir(parents=True)
            for folder in (shelf, shelf / "wal"):
                give(folder)
            server.sql("ALTER SYSTEM SET archive_mode = on")
            server.sql(f"ALTER SYSTEM SET archive_command = 'cp %p {shelf}/wal/%f'")
            server.stop("fast")
            server.start()
            yield server, shelf
    except NoPostgres as missing:
        pytest.skip(str(missing))


@pytest.mark.slow
def test_a_base_backup_comes_back_as_of_any_moment_after_it():
    """With every answer that was given until then; and every later one was lost."""
    with archiving() as (server, shelf):
        url = server.database()

        async def main():
            async with open_gate(CONFIG, url) as gate:
                writing = asyncio.ensure_future(trade(gate, "a"))
                base = ("-h", server.folder, "-U", USER, "-D", shelf / "base", "-c", "fast", "-X", "none")
                await asyncio.to_thread(server.run, "pg_basebackup", *base)
                await asyncio.sleep(0.5)
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)
                await gate.quiet()
                there = await gate.journal.head()
                server.sql("SELECT pg_create_restore_point('noon')")
                await gate.execute(limit("after noon", "150"))
                await gate.quiet()
                return there, await gate.journal.head()

        there, live = asyncio.run(main())
        key = key_of(url)
        server.sql("SELECT pg_switch_wal()")
        for _ in range(100):
            if (
                server.sql(
                    "SELECT last_archived_wal >= pg_walfile_name(pg_current_wal_lsn() - 1) FROM pg_stat_archiver"
                )
                == "t"
            ):
                break
            asyncio.run(asyncio.sleep(0.1))
        server.stop("immediate")
        put_back(server, shelf)
        server.start()
        for _ in range(100):
            if server.sql("SELECT pg_is_in_recovery()") == "f":
                break
            asyncio.run(asyncio.sleep(0.1))
        head = holds(url, key)
        assert there.size <= head.size < live.size  # the venue may have said something more before noon

        async def again():
            async with open_gate(CONFIG, url) as gate:
                assert not (await gate.execute(limit("after noon", "150"))).replayed
                await gate.quiet()

        asyncio.run(again())
        holds(url, key, old=head.checkpoint)


def put_back(server, shelf):
    """The base backup in place of the data, to be rolled forward to noon."""
    shutil.rmtree(server.data)
    shutil.copytree(shelf / "base", server.data, copy_function=shutil.copy2)
    for path in (server.data, *server.data.rglob("*")):
        give(path)
    with (server.data / "postgresql.auto.conf").open("a") as settings:
        settings.write(f"restore_command = 'cp {shelf}/wal/%f %p'\n")
        settings.write("recovery_target_name = 'noon'\nrecovery_target_action = 'promote'\n")
    (server.data / "recovery.signal").touch()
