"""A node that follows what others write has the state that the tables have."""

import asyncio
from contextlib import nullcontext
from decimal import Decimal
from random import Random

import pytest

from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application import following
from ordergate.application.engine import Engine
from ordergate.application.entry import Entry
from ordergate.application.following import Following
from ordergate.application.ports.journal import Head
from ordergate.application.recovery import load_state
from ordergate.application.tail import Tail
from ordergate.application.view import View
from ordergate.domain.book import Book
from ordergate.domain.errors import AuditError, StoreError
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.reports import Executed
from ordergate.domain.orders.states import OrderType, Side
from ordergate.protocols.tlog import Signer, TreeBuilder
from tests.journals.busy_day import BusyDay
from tests.journals.desk import BROKER, Desk

SIGNER = Signer("test.example/journal", bytes(32))


class Follower:
    """The following half of a node."""

    def __init__(self) -> None:
        view = View(instrument=lambda _symbol: None, new_order_id=lambda: "none")
        self.engine = Engine(Book(), view)
        self.heard: list[Entry] = []
        self.tail = Tail(SIGNER, TreeBuilder())
        self.following = Following(self.engine, self.tail, self.heard.extend)


def rows(state: Book) -> dict[str, dict]:
    shown = {table.name: dict(table.rows) for table in state.tables}
    return shown | {"by broker": dict(state.order_by_broker_id)}


async def follow(seed: int, how) -> None:
    journal, dice, one = MemoryJournal(), Random(seed), Follower()
    day = BusyDay(seed)
    desk = await Desk.open(journal, SIGNER)
    while desk.engine.size < 700:
        await day.run(desk, desk.engine.size + dice.choice((1, 5, 30)))
        await how(one, journal, dice)
        if one.engine.size == desk.engine.size:
            assert rows(one.engine.state) == rows(await load_state(journal))
            assert rows(one.engine.state) == rows(desk.engine.state)
            assert one.engine.last == desk.engine.last
            assert one.tail.root() == desk._tail.root()
    await one.following.to_the_end(journal)
    assert [entry.index for entry in one.heard] == list(range(desk.engine.size))


async def held(one: Follower, journal: MemoryJournal, _dice: Random) -> None:
    await one.following.to_the_end(journal)
    assert one.engine.size == (await journal.head()).size


async def along(one: Follower, journal: MemoryJournal, dice: Random) -> None:
    await one.following.along(journal)
    assert one.engine.size == (await journal.head()).size
    if not one.following.is_complete or dice.random() < 0.5:
        await one.following.to_the_end(journal)
        assert one.following.is_complete


@pytest.mark.slow
@pytest.mark.parametrize("how", [held, along])
@pytest.mark.parametrize("seed", range(3))
def test_the_state_is_that_of_the_tables(seed: int, how) -> None:
    asyncio.run(follow(seed, how))


@pytest.mark.parametrize("part", ["forgotten", "read_again", "settle"])
def test_the_comparison_has_teeth(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_given) -> None:
        pass

    if part == "forgotten":
        monkeypatch.setattr(following, "forgotten", lambda _state, _entry: None)
    elif part == "read_again":
        monkeypatch.setattr(following, "read_again", nothing)
    else:
        monkeypatch.setattr(Book, "_forget_ended", lambda *_given: None)

    async def several() -> None:
        for seed in range(3):
            await follow(seed, held)

    with pytest.raises((AssertionError, KeyError, AttributeError)):
        asyncio.run(several())


def test_memory_is_complete_only_once_what_it_had_forgotten_is_read() -> None:
    async def main() -> None:
        journal, one, seen = MemoryJournal(), Follower(), set()
        day = BusyDay(1)
        desk = await Desk.open(journal, SIGNER)
        while desk.engine.size < 700:
            await day.run(desk, desk.engine.size + 5)
            await one.following.along(journal)
            seen.add(one.following.is_complete)
            if one.following.is_complete:
                assert rows(one.engine.state) == rows(await load_state(journal))
            await one.following.to_the_end(journal)
            assert one.following.is_complete
        assert seen == {True, False}

    asyncio.run(main())


def test_what_could_not_be_read_again_is_read_the_next_time() -> None:
    class Flaky(MemoryJournal):
        fails = False

        async def get(self, table, keys):
            if self.fails:
                raise StoreError("away")
            return await super().get(table, keys)

    async def main() -> None:
        journal, one, day = Flaky(), Follower(), BusyDay(4)
        desk = await Desk.open(journal, SIGNER)
        failed = 0
        while desk.engine.size < 400:
            await day.run(desk, desk.engine.size + 10)
            journal.fails = True
            try:
                await one.following.to_the_end(journal)
            except StoreError:
                failed += 1
            journal.fails = False
            await one.following.to_the_end(journal)
            assert rows(one.engine.state) == rows(await load_state(journal))
        assert failed > 5
        assert [entry.index for entry in one.heard] == list(range(desk.engine.size))

    asyncio.run(main())


async def trade(desk: Desk, name: str, side: Side) -> None:
    """An order that is filled; ten each, so that a buy and a sell are flat."""
    order = SubmitOrder(
        order_id=name,
        fund_id="alpha",
        symbol="AAPL",
        side=side,
        quantity=Decimal(10),
        order_type=OrderType.MARKET,
        strategy_id="trend",
        key_kind="idempotency_key",
        key=name,
    )
    fill = Executed(
        broker=BROKER,
        client_id=f"{name}.1",
        exec_id=name,
        time=desk.now,
        quantity=Decimal(10),
        price=Decimal(180),
        completes=True,
    )
    await desk.write([order])
    await desk.write([fill])


@pytest.mark.parametrize("reads", range(9))
def test_nothing_is_folded_onto_what_was_half_read_again(reads: int) -> None:
    """The store goes away between two reads, and another node trades before it can be read again."""

    class Flaky(MemoryJournal):
        left = 1_000

        async def get(self, *given, **more):
            self.count()
            return await super().get(*given, **more)

        async def select(self, *given, **more):
            self.count()
            return await super().select(*given, **more)

        def count(self) -> None:
            self.left -= 1
            if self.left < 0:
                raise StoreError("away")

    async def main() -> None:
        journal, one = Flaky(), Follower()
        desk = await Desk.open(journal, SIGNER)
        desk.engine.view.quotes["AAPL"] = Quote("AAPL", desk.now, Decimal(180), Decimal(181))
        await trade(desk, "ord-1", Side.BUY)
        await trade(desk, "ord-2", Side.SELL)
        await one.following.to_the_end(journal)
        await trade(desk, "ord-3", Side.BUY)
        journal.left = reads
        with pytest.raises(StoreError) if reads < 8 else nullcontext():
            await one.following.to_the_end(journal)
        journal.left = 1_000
        await trade(desk, "ord-4", Side.SELL)
        await one.following.along(journal)
        await one.following.to_the_end(journal)
        assert rows(one.engine.state) == rows(await load_state(journal))

    asyncio.run(main())


@pytest.mark.parametrize("damage", ["hash", "gap", "checkpoint"])
def test_what_was_not_signed_is_not_followed(damage: str) -> None:
    class Damaged(MemoryJournal):
        async def lines(self, first, count):
            lines = await super().lines(first, count)
            if damage == "hash" and first <= 20 < first + len(lines):
                lines[20 - first] = lines[21 - first]
                lines[20 - first] = type(lines[0])(lines[0].data + b" ", lines[0].hash, "x", None)
            return [] if damage == "gap" else lines

        async def head(self):
            head = await super().head()
            return (
                Head(head.size, head.checkpoint.replace("\n", "\n9", 1)) if damage == "checkpoint" else head
            )

    async def main() -> None:
        good = MemoryJournal()
        desk = await Desk.open(good, SIGNER)
        await BusyDay(5).run(desk, 60)
        bad = Damaged()
        bad.__dict__ = good.__dict__
        one = Follower()
        with pytest.raises(AuditError):
            await one.following.to_the_end(bad)

    asyncio.run(main())
