"""What is kept of open orders is what a walk over all of them finds, whatever happens to them."""

import asyncio
from collections import defaultdict
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application.decide.closing import _closes
from ordergate.application.decide.halting import next_cancel
from ordergate.domain.book import Book
from ordergate.domain.errors import Refused
from ordergate.domain.identifiers import MOST_REQUESTS
from ordergate.domain.orders import commands as c
from ordergate.domain.orders import open_orders
from ordergate.domain.orders import reports as r
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import Delay, RequestKind, Side, State
from ordergate.domain.risk.commands import LiftHalt, ThrowSwitch, ValueFunds
from ordergate.domain.risk.kill_switch import Mode
from ordergate.domain.risk.limits import Level
from ordergate.protocols.tlog import Signer
from ordergate.testing.playbook import ack, ended, fill, refused
from tests.journals.busy_day import BusyDay
from tests.journals.desk import Desk
from tests.unit.domain.contingencies.guarded import Guarded
from tests.unit.domain.risk.limited import NAMES

NEVER_LEFT = ("CREATED", "PENDING_RISK", "ACCEPTED")
AT_THE_BROKER = ("SUBMITTED", "PARTIALLY_FILLED")
SCOPES = (Level.FIRM, Level.FUND, Level.STRATEGY, Level.BROKER)


def stoppable(order: Order) -> bool:
    if order.state.value in NEVER_LEFT:
        return True
    asked = any(request.kind is RequestKind.CANCEL for request in order.requests)
    return order.state.value in AT_THE_BROKER and not asked and order.request_count != MOST_REQUESTS


def may_trade(order: Order) -> bool:
    return order.state.value in ("PENDING_RISK", "ACCEPTED", "SUBMITTED", "PARTIALLY_FILLED", "FILLED")


def walked(state: Book) -> tuple[dict[Any, set[str]], dict[Any, set[str]], set[str]]:
    """The three indexes, by a walk over all rows."""
    closing, halted, again = defaultdict(set), defaultdict(set), set()
    for order_id, order in state.orders.rows.items():
        sign = 1 if order.side in (Side.BUY, Side.COVER) else -1
        if may_trade(order) and not order.parent_order_id:
            closing[order.fund_id, order.symbol, sign].add(order_id)
        if stoppable(order):
            halted[order.fund_id, order.symbol, sign, order.broker, order.strategy_id].add(order_id)
            if any(one.why is Delay.NOT_CANCELED for one in order.overdue or ()):
                again.add(order_id)
    return dict(closing), dict(halted), again


def kept(state: Book) -> tuple[dict[Any, set[str]], dict[Any, set[str]], set[str]]:
    """The same, as they are kept."""
    index = state.open_orders
    closing = {line: set(ids) for line, ids in index._closing.items()}
    return closing, {tuple(group): set(ids) for group, ids in index.stoppable()}, set(index.refused())


def check(state: Book) -> None:
    assert kept(state) == walked(state)


def rebuilt(state: Book) -> Book:
    """A book loaded from the rows of the tables, as after a restart."""
    fresh = Book()
    for instrument in state.instruments.rows.values():
        fresh.instruments.load(instrument)
    for order in state.orders.rows.values():
        fresh.load_order(order, list(state.order_executions(order.order_id)))
    return fresh


class Day:
    """Orders with stops and without, which are filled, canceled, halted, and whose broker refuses to cancel."""

    def __init__(self, seed: int) -> None:
        self.dice, self.trades, self.seen = Random(seed), 0, set[str]()
        self.book = Guarded()

    @property
    def state(self) -> Book:
        return self.book.engine.state

    def run(self, steps: int) -> None:
        """So many inputs, checked after each, some of them undone or settled."""
        acts = (
            self.signal,
            self.order,
            self.order,
            self.say,
            self.say,
            self.say,
            self.cancel,
            self.halt,
            self.look,
        )
        for _turn in range(steps):
            before, mark, entries = kept(self.state), self.state.mark(), len(self.book.entries)
            try:
                self.dice.choice(acts)()
            except Refused:
                assert kept(self.state) == before
            check(self.state)
            closing, halted, again = kept(self.state)
            self.seen |= {name for name, found in (("c", closing), ("h", halted), ("r", again)) if found}
            chance = self.dice.random()
            if chance < 0.15:
                self.state.undo(mark)
                del self.book.entries[entries:]
                assert kept(self.state) == before
            if chance > 0.15:
                self.state.settle()
            check(self.state)
            self.seen |= {order.state.value for order in self.state.orders.rows.values()}

    def signal(self) -> None:
        self.book.signal(self.dice.randint(1, 9), self.dice.choice(("buy", "short")))

    def order(self) -> None:
        self.trades += 1
        self.book.step(
            self.book.wanted(
                self.dice.randint(1, 9),
                self.dice.choice((None, 90, 110)),
                self.dice.choice((c.SubmitOrder, c.SubmitOrder, c.CreateOrder)),
                side=self.dice.choice(list(Side)),
                strategy_id=self.dice.choice((None, "trend")),
                key=f"own-{self.trades}",
            )
        )

    def say(self) -> None:
        """The broker says something of an order."""
        working = [one for one in self.state.orders.rows.values() if one.state in (*AT_THE_BROKER, "FILLED")]
        if not working:
            return
        order = self.dice.choice(working)
        self.trades += 1
        said = self.dice.choice(("ack", "fill", "fill", "refused", "ended"))
        if said == "ack":
            self.book.told(order, ack(f"B{order.order_id}"))
        elif said == "fill":
            self.book.told(order, fill(f"y{self.trades}", self.dice.randint(1, 5), 100))
        elif said == "ended":
            self.book.told(order, ended(r.End.CANCELED))
        elif order.open_request(RequestKind.CANCEL) is not None:
            self.book.told(order, refused())

    def cancel(self) -> None:
        orders = list(self.state.orders.rows)
        if orders:
            self.book.step(c.CancelOrder(order_id=self.dice.choice(orders)))

    def halt(self) -> None:
        level, mode = self.dice.choice(SCOPES), self.dice.choice(list(Mode))
        name = NAMES[level]
        if self.dice.random() < 0.4:
            self.book.by("ann", ThrowSwitch(level=level, name=name, reason="a test", mode=mode))
        else:
            self.book.by("bob", LiftHalt(level=level, name=name, reason="a test"))

    def look(self) -> None:
        self.book.later(self.dice.choice((0, 1, 100))).step(ValueFunds())


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**9), steps=st.integers(10, 60))
def test_the_indexes_are_those_of_a_walk_over_all_orders(seed: int, steps: int) -> None:
    day = Day(seed)
    day.run(steps)
    for again in (rebuilt(day.state), day.book.replayed()):
        check(again)


def test_the_day_has_everything_in_it() -> None:
    """Else it would prove nothing."""
    seen: set[str] = set()
    for seed in range(30):
        day = Day(seed)
        day.run(60)
        seen |= day.seen
    assert seen >= {"c", "h", "r", "CREATED", "SUBMITTED", "PARTIALLY_FILLED", "FILLED"}


def test_a_busy_day_and_its_restarts_keep_the_indexes() -> None:
    async def main() -> None:
        journal, day = MemoryJournal(), BusyDay(7)
        for until in (150, 300):
            desk = await Desk.open(journal, Signer("test.example/journal", bytes(32)))
            check(desk.engine.state)
            while desk.engine.size < until:
                await day.run(desk, desk.engine.size + 1)
                check(desk.engine.state)

    asyncio.run(main())


def _stays_stoppable(order: Order) -> bool:
    return order.state in open_orders.UNSENT or order.state in open_orders.WORKING


def _closes_too(order: Order) -> bool:
    return order.state is not State.CREATED and order.state not in open_orders.TERMINAL


def _a_sent_one_alone(order: Order) -> bool:
    return order.state in open_orders.WORKING and order.open_request(RequestKind.CANCEL) is None


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("_can_be_stopped", _stays_stoppable),
        ("_can_be_stopped", _a_sent_one_alone),
        ("_may_close", _closes_too),
    ],
)
def test_the_property_has_teeth(name: str, broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_orders, name, broken)
    with pytest.raises(AssertionError):
        _twenty_days()


def _twenty_days() -> None:
    for seed in range(20):
        Day(seed).run(60)


class Rows(dict[str, Order]):
    """Rows of orders that count how often they are read, one by one or all."""

    reads = 0

    def __getitem__(self, key: str) -> Order:
        self.reads += 1
        return super().__getitem__(key)

    def values(self) -> Any:
        self.reads += len(self)
        return super().values()


def test_a_look_reads_what_it_finds_however_many_orders_are_open() -> None:
    book = Guarded()
    for _number in range(50):
        book.order_of(1, symbol="MSFT", limit=50)
    book.entered(10)
    book.order_of(5, side=Side.SELL, limit=200)
    book.by("ann", ThrowSwitch(level=Level.STRATEGY, name="carry", reason="a test"))
    state = book.engine.state
    rows = state.orders.rows = Rows(state.orders.rows)
    assert [order.quantity for order in _closes(book.engine._context, "fund", "AAPL", Side.SELL)] == [
        Decimal(5)
    ]
    assert next_cancel(state) is None
    assert rows.reads == 1 < 50 < len(rows)
