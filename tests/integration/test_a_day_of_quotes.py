"""The same orders over real quotes, at four brokers: paper, a class of one's own, MetaTrader 5 netting and hedging.

Each must have traded the same, and hold the same, at every moment that is looked at; only how many tickets hold it may
differ, and what those are follows from the account's mode alone.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ordergate.adapters.brokers.sync import SyncSettings, broker_of
from ordergate.adapters.clock import VirtualClock, run_virtual
from ordergate.bootstrap import Gate, brokers, open_gate
from ordergate.config import Config, FundSection, Mt4Broker, Mt5Broker, PaperBroker, SyncBroker
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import CancelOrder
from ordergate.testing.metatrader5.records import Position
from tests.services.mt4 import EURUSD, SETTLED, Running
from tests.services.mt5 import HEDGING, LOGIN, MARKET, NAME, NETTING, Beside, Machine, Shifted, told
from tests.services.mt5_day import SYMBOL, Book, Deal, OwnBroker, Step, moments, plan, quotes_of, tickets

MODES = {"netting": NETTING, "hedging": HEDGING}


class Expected:
    """What the book says of each moment: the deals until then."""

    def __init__(self, quotes: Sequence[Quote], steps: list[Step], looks: int) -> None:
        self.at: dict[int, list[Deal]] = {}
        book, left, wanted = Book(), list(steps), set(moments(quotes, looks))
        for number, quote in enumerate(quotes):
            book.quote(quote)
            while left and left[0].quote == number:
                book.take(left.pop(0))
            if number in wanted:
                self.at[number] = list(book.deals)

    def net(self, moment: int) -> Decimal:
        return sum((deal.signed for deal in self.at[moment]), Decimal(0))


async def traded(gate: Gate, fund: str) -> dict[str, list[tuple[Decimal, Decimal]]]:
    """What a fund's orders have got, by key: quantity and price; the parts of an order that closes are one."""
    orders = {order.order_id: order.idempotency_key for order in await gate.queries.orders(fund_id=fund)}
    got: dict[str, dict[Decimal, Decimal]] = {}
    for fill in await gate.queries.fills(fund_id=fund):
        parts = got.setdefault(str(orders[fill.order_id]), {})
        parts[fill.price] = parts.get(fill.price, Decimal(0)) + fill.quantity
    return {key: [(quantity, price) for price, quantity in parts.items()] for key, parts in got.items()}


async def held(gate: Gate, fund: str) -> Decimal:
    rows = await gate.journal.select("positions", {"fund_id": fund})
    return rows[0].quantity if rows else Decimal(0)


async def ask(gate: Gate, funds: list[str], step: Step) -> None:
    """The same order, or cancel, for every fund."""
    if not step.cancels:
        for fund in funds:
            await gate.execute(step.order(fund))
        return
    for fund in funds:
        (order,) = await gate.queries.orders(fund_id=fund, idempotency_key=step.key)
        await gate.execute(CancelOrder(order_id=order.order_id, reason="as planned"))


async def look(gate: Gate, fund: str, deals: list[Deal]) -> None:
    """A fund has traded what the book has, at its prices, and holds what comes of that."""
    expected = {deal.key: [(deal.quantity, deal.price)] for deal in deals}
    assert await traded(gate, fund) == expected, fund
    assert await held(gate, fund) == sum((deal.signed for deal in deals), Decimal(0)), fund


# -- In simulated time: paper, netting, hedging ----------------------------------------------------------------------


def at_terminals(
    quotes: Sequence[Quote], steps: list[Step], looks: int, monkeypatch: pytest.MonkeyPatch
) -> int:
    """Runs it; how many moments were looked at."""
    clock = Shifted(quotes[0].time - timedelta(seconds=5))
    machines = {name: Machine(mode, MARKET, clock) for name, mode in MODES.items()}
    expected, left, funds = Expected(quotes, steps, looks), list(steps), ["paper", *MODES]

    def terminals(broker: str, *_args: Any) -> Callable[[bool], Beside]:
        machine = machines[broker]
        return lambda looks_on: Beside(machine, 0 if looks_on else machine.epoch + 1)

    monkeypatch.setattr(brokers, "terminals_of", terminals)
    account = Mt5Broker(login=LOGIN, symbols={SYMBOL: NAME}, poll_ms=10_000)
    config = Config(
        brokers={"paper": PaperBroker(), **dict.fromkeys(MODES, account)},
        funds={name: FundSection(broker=name, unlimited=True) for name in funds},
    )

    async def settled(gate: Gate) -> None:
        await gate.quiet()
        for name, machine in machines.items():
            await told(machine, gate.brokers[name])
        await gate.quiet()

    async def main() -> None:
        for machine in machines.values():
            machine.quote(quotes[0].bid, quotes[0].ask)
        async with open_gate(config, "sqlite://", clock=clock) as gate:
            for number, quote in enumerate(quotes):
                await clock.sleep(max((quote.time - clock.now()).total_seconds(), 0.001))
                gate.feed(quote)
                for machine in machines.values():
                    machine.quote(quote.bid, quote.ask)
                while left and left[0].quote == number:
                    await gate.quiet()
                    await ask(gate, funds, left.pop(0))
                    await gate.quiet()
                if number in expected.at:
                    await settled(gate)
                    await look_at_all(gate, number)

    async def look_at_all(gate: Gate, moment: int) -> None:
        deals, net = expected.at[moment], expected.net(moment)
        for fund in funds:
            await look(gate, fund, deals)
        for name in MODES:
            said = await gate.statement(name)
            assert said is not None
            assert said.complete
            assert (said.positions or {}).get(SYMBOL, Decimal(0)) == net, name
        there = {name: open_at(machine) for name, machine in machines.items()}
        assert there == {"netting": [net] if net else [], "hedging": tickets(deals)}

    run_virtual(main())
    return len(expected.at)


def opened(position: Position) -> tuple[int, int]:
    return position.time_msc, position.ticket


def open_at(machine: Machine) -> list[Decimal]:
    """The positions at a terminal, as they were opened: lots, signed."""
    return [row.sign * row.volume for row in sorted(machine.state.positions.values(), key=opened)]


# -- MetaTrader 4, whose expert advisor works with files ---------------------------------------------------------------


def at_files(quotes: Sequence[Quote], steps: list[Step], looks: int, folder: Path) -> int:
    """Runs it; how many moments were looked at."""
    clock = VirtualClock(quotes[0].time - timedelta(seconds=60))
    expected, left, fund = Expected(quotes, steps, looks), list(steps), "mt4"
    account = Mt4Broker(
        folder=str(folder), symbols={SYMBOL: EURUSD}, poll_ms=2_000, quiet_s=60, deadline_ms=20_000
    )
    config = Config(
        brokers={"paper": PaperBroker(), "mt4": account},
        funds={fund: FundSection(broker="mt4", unlimited=True)},
    )

    async def settled(gate: Gate, running: Running) -> None:
        """The expert has done and told all, and all of it is known here."""
        broker: Any = gate.brokers["mt4"]
        await gate.quiet()
        for _ in range(SETTLED):
            running.cycle()
        async with asyncio.timeout(60):
            while not running.idle or (broker.session.book.stream, broker.session.book.n) < running.told:
                await clock.sleep(0.1)
        await gate.quiet()

    async def expert(running: Running) -> None:
        """It works where there is something to do, and shows now and then that it is there."""
        at = clock.now()
        while True:
            if not running.idle or clock.now() - at > timedelta(seconds=20):
                running.cycle()
                at = clock.now()
            await clock.sleep(0.2)

    async def main() -> None:
        running = Running(folder, clock=clock)
        running.sim.account.books.balance = Decimal(10_000_000)
        cycles = asyncio.get_running_loop().create_task(expert(running))
        await running.prices()
        async with open_gate(config, "sqlite://", clock=clock) as gate:
            await settled(gate, running)
            for number, quote in enumerate(quotes):
                await clock.sleep(max((quote.time - clock.now()).total_seconds(), 0.001))
                running.sim.account.quote(EURUSD, quote.bid, quote.ask)
                while left and left[0].quote == number:
                    gate.feed(quote)
                    await settled(gate, running)
                    await ask(gate, [fund], left.pop(0))
                    await settled(gate, running)
                if number in expected.at:
                    await settled(gate, running)
                    await look(gate, fund, expected.at[number])
                    said = await gate.statement("mt4")
                    assert said is not None
                    assert said.complete
                    assert (said.positions or {}).get(SYMBOL, Decimal(0)) == expected.net(number)
                    rows = running.sim.account.books.open.values()
                    there = [row.lots if row.buys else -row.lots for row in rows if not row.pending]
                    assert sorted(there) == sorted(tickets(expected.at[number]))
        cycles.cancel()
        await asyncio.gather(cycles, return_exceptions=True)
        running.sim.folder.release()

    run_virtual(main())
    return len(expected.at)


# -- On the machine's own loop: a class of one's own is called in a thread -------------------------------------------


class Told:
    """A clock that says what it was told, and does not wait long."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.01))


def at_own_class(quotes: Sequence[Quote], steps: list[Step], looks: int) -> int:
    """Runs it; how many moments were looked at."""
    clock, book = Told(quotes[0].time), Book()
    expected, left, fund = Expected(quotes, steps, looks), list(steps), "own"
    config = Config(
        brokers={
            "paper": PaperBroker(),
            "own": SyncBroker(path="tests.services.mt5_day:OwnBroker", poll_ms=1),
        },
        funds={fund: FundSection(broker="own", unlimited=True)},
    )

    async def settled(gate: Gate) -> None:
        async with asyncio.timeout(20):
            while True:
                await gate.quiet()
                deals = len(await gate.queries.fills(fund_id=fund))
                working = [
                    order for order in await gate.queries.orders(fund_id=fund) if order.leaves_quantity
                ]
                if deals == len(book.deals) and len(working) == len(book.working):
                    return
                await asyncio.sleep(0.002)

    async def main() -> None:
        async with open_gate(config, "sqlite://", clock=clock) as gate:
            for number, quote in enumerate(quotes):
                clock.at = quote.time
                book.quote(quote)
                while left and left[0].quote == number:
                    gate.feed(quote)
                    await settled(gate)
                    await ask(gate, [fund], left.pop(0))
                    await settled(gate)
                if number in expected.at:
                    await settled(gate)
                    await look(gate, fund, expected.at[number])
                    said = await gate.statement("own")
                    assert said is not None
                    assert (said.positions or {}).get(SYMBOL) == expected.net(number)

    def made(name: str, settings: Any, path: Any, its_clock: Any, *_args: Any, **_named: Any) -> Any:
        own = SyncSettings(poll_ms=settings.poll_ms, deadline_ms=5_000)
        return broker_of(name, own, path, its_clock, OwnBroker(book))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(brokers, "broker_of", made)
        asyncio.run(main())
    return len(expected.at)


class Span(NamedTuple):
    """How much of the day, and what is done in it. `looks`: so many moments, evenly."""

    quotes: tuple[Quote, ...]
    steps: list[Step]
    looks: int

    @classmethod
    def of(cls, name: str) -> "Span":
        count, each, orders, reach, looks = SPANS[name]
        quotes = quotes_of(count, each)
        return cls(quotes, plan(quotes, orders, reach, seed=7), looks)


SPANS: dict[str, tuple[int | None, int, int, int, int]] = {
    "half an hour": (160, 3, 28, 6, 4),
    "the whole day": (None, 1, 200, 120, 24),
}
EACH = pytest.mark.parametrize(
    "name", ["half an hour", pytest.param("the whole day", marks=pytest.mark.slow)], ids=lambda name: name
)


@pytest.mark.slow
@EACH
def test_the_same_orders_at_paper_and_both_terminals(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    span = Span.of(name)
    assert at_terminals(*span, monkeypatch) == span.looks


@pytest.mark.slow
def test_the_same_orders_at_metatrader_4(tmp_path: Path) -> None:
    span = Span.of("half an hour")
    assert at_files(*span, tmp_path / "ordergate") == span.looks


@EACH
def test_the_same_orders_at_a_class_of_ones_own(name: str) -> None:
    span = Span.of(name)
    assert at_own_class(*span) == span.looks


@EACH
def test_the_plan_has_everything_in_it(name: str) -> None:
    span = Span.of(name)
    (deals,) = Expected(span.quotes, span.steps, 1).at.values()
    assert {step.kind for step in span.steps} == {deal.kind for deal in deals} == {"market", "limit", "stop"}
    assert any(step.cancels for step in span.steps)
    assert {deal.side for deal in deals} == {"buy", "sell", "short", "cover"}
    assert len(tickets(deals)) > 1
    assert {lots > 0 for lots in tickets(deals)} == {True, False}, "both sides are held at once"
