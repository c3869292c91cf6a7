"""RSK-8: no sequence that was let through can break a limit, whichever of its orders are filled; and the sums are right.

Everything is reckoned anew from all orders and positions, by a second model that walks over them.
"""

import asyncio
from decimal import Decimal, localcontext
from itertools import product
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application.entry import Origin
from ordergate.domain.book import Book
from ordergate.domain.errors import Refused
from ordergate.domain.instruments import AssetClass, built_in
from ordergate.domain.market import Quote
from ordergate.domain.money import EXACT
from ordergate.domain.orders.commands import (
    CancelOrder,
    CreateOrder,
    ReplaceOrder,
    SubmitCreated,
    SubmitOrder,
)
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.reports import End, Ended, Executed, Replaced
from ordergate.domain.orders.states import TERMINAL, OrderType, RequestKind, Side, State
from ordergate.domain.risk import exposure
from ordergate.domain.risk.commands import SetLimits
from ordergate.domain.risk.limits import Level
from ordergate.protocols.tlog import Signer
from ordergate.testing.playbook import BROKER
from tests.journals.busy_day import BusyDay
from tests.journals.desk import Desk
from tests.unit.domain.risk.limited import Limited, stated

PRICES = {"AAPL": Decimal(100), "MSFT": Decimal(400), "EURUSD": Decimal("1.25"), "USDJPY": Decimal(150)}
LOTS = {"AAPL": 10, "MSFT": 3, "EURUSD": Decimal("0.01"), "USDJPY": Decimal("0.01")}
TO_USD = {"USD": Decimal(1), "JPY": 1 / Decimal(150)}
NAV = Decimal(10_000)
LIMITS = stated(
    nav_usd=NAV,
    max_position_pct="0.4",
    max_gross_exposure_pct="1.2",
    max_net_exposure_pct="0.6",
    max_asset_class_pct="0.7",
    max_leverage="1.1",
    leverage={AssetClass.FX: Decimal(30)},
)
OF_TREND = Decimal("0.2")
"""Of the net asset value: what strategy `trend` may build of one symbol."""
SMALL = Decimal("0.0001")
UNCOUNTED = TERMINAL | {State.CREATED}
"""What nothing can be filled of: it has ended, or nobody has submitted it yet."""


def worst(state: Book, fund_id: str) -> dict[str, tuple[Decimal, Decimal, Decimal]]:
    """Per symbol: what is held, and what working orders can still buy and sell of it; a walk over all rows."""
    found = {
        symbol: [row.quantity, Decimal(0), Decimal(0)]
        for (fund, symbol), row in state.positions.rows.items()
        if fund == fund_id
    }
    for order in state.orders.rows.values():
        if order.slice is not None and state.orders.rows[order.parent_order_id].state not in UNCOUNTED:
            continue  # a parent counts with its children
        if order.fund_id == fund_id and order.state not in UNCOUNTED and order.operation.is_trade:
            asked = [r.quantity or 0 for r in order.requests if r.kind is RequestKind.REPLACE]
            left = max([order.quantity, *asked]) - order.filled_quantity
            numbers = found.setdefault(order.symbol, [Decimal(0)] * 3)
            numbers[1 if order.side.sign > 0 else 2] += max(left, Decimal(0))
    return {symbol: tuple(numbers) for symbol, numbers in found.items()}  # type: ignore[misc]


def open_value(state: Book, fund_id: str, symbol: str, sign: int) -> Decimal:
    """What is left of working orders on one side, each at its own price; of a market order, where it was measured."""
    working = [
        order
        for order in state.orders.rows.values()
        if (order.fund_id, order.symbol, order.side.sign) == (fund_id, symbol, sign)
        and order.state not in UNCOUNTED
    ]
    value = Decimal(0)
    for order in working:
        asked = [r.quantity or 0 for r in order.requests if r.kind is RequestKind.REPLACE]
        left = max([order.quantity, *asked]) - order.filled_quantity
        value += max(left, Decimal(0)) * (order.limit_price or order.reference_price or Decimal(0))
    return value


def usd(symbol: str, quantity: Decimal) -> Decimal:
    """What so much of it is worth."""
    instrument = built_in(symbol)
    assert instrument is not None
    return quantity * PRICES[symbol] * instrument.contract_size * TO_USD[instrument.currency]


def worth(state: Book) -> Decimal:
    """What the fund began with, and all that its positions have made, at the last prices."""
    total = NAV
    for (fund_id, symbol), row in state.positions.rows.items():
        instrument = built_in(symbol)
        assert instrument is not None
        if fund_id == "fund":
            made = row.quantity * PRICES[symbol] * instrument.contract_size - row.cost + row.realized_pnl
            total += made * TO_USD[instrument.currency]
    return total


def check_no_subset_breaks_a_limit(state: Book) -> None:
    """Each symbol's buys and sells are filled wholly or not: what lies between is never worse."""
    ends = {
        symbol: [usd(symbol, held + bought - sold) for bought in (0, buying) for sold in (0, selling)]
        for symbol, (held, buying, selling) in worst(state, "fund").items()
    }
    equity = worth(state)
    for values in product(*ends.values()):
        sizes = dict(zip(ends, map(abs, values), strict=True))
        assert all(size <= NAV * Decimal("0.4") + SMALL for size in sizes.values()), sizes
        assert sum(sizes.values()) <= min(NAV * Decimal("1.2"), equity * Decimal("1.1")) + SMALL, sizes
        assert abs(sum(values)) <= NAV * Decimal("0.6") + SMALL, values
        fx = sum((size for symbol, size in sizes.items() if len(symbol) == 6), Decimal(0))
        assert max(fx, sum(sizes.values()) - fx) <= NAV * Decimal("0.7") + SMALL, sizes
        assert sum(sizes.values()) - fx + fx / 30 <= equity + SMALL, sizes


def check_sums(state: Book, fund_ids: tuple[str, ...] = ("fund",)) -> None:
    """The kept numbers are those of a walk over all orders and positions."""
    for fund_id in fund_ids:
        for symbol, numbers in worst(state, fund_id).items():
            cell = state.exposures.cell(fund_id, symbol)
            kept = (Decimal(0),) * 3 if cell is None else (cell.held, cell.buying, cell.selling)
            assert kept == numbers, (fund_id, symbol)


def built(state: Book) -> dict[tuple[str, str, str], tuple[Decimal, Decimal, Decimal]]:
    """Per fund, symbol and strategy: what its fills have built, and what its working orders can buy and sell."""
    found: dict[tuple[str, str, str], list[Decimal]] = {}
    for order in state.orders.rows.values():
        if order.strategy_id is None:
            continue
        numbers = found.setdefault((order.fund_id, order.symbol, order.strategy_id), [Decimal(0)] * 3)
        fills = [fill for fill in state.order_executions(order.order_id) if fill.counts]
        numbers[0] += sum((fill.quantity for fill in fills), Decimal(0)) * order.side.sign
        if order.state not in UNCOUNTED:
            asked = [r.quantity or 0 for r in order.requests if r.kind is RequestKind.REPLACE]
            left = max([order.quantity, *asked]) - order.filled_quantity
            numbers[1 if order.side.sign > 0 else 2] += max(left, Decimal(0))
    return {key: tuple(numbers) for key, numbers in found.items()}  # type: ignore[misc]


def check_strategies(state: Book) -> None:
    """What is kept of strategies is what a walk over all orders and fills finds, within the limit of one of them."""
    for key, numbers in built(state).items():
        cell, row = state.exposures.strategy_cell(*key), state.strategy_positions.get(key)
        assert numbers == ((Decimal(0),) * 3 if cell is None else (cell.held, cell.buying, cell.selling)), key
        assert numbers[0] == (Decimal(0) if row is None else row.quantity)
        if key[2] == "trend":
            ends = (abs(usd(key[1], numbers[0] + end)) for end in (numbers[1], -numbers[2]))
            assert max(ends) <= NAV * OF_TREND + SMALL, (key, numbers)


def totals(state: Book, fund_id: str) -> dict[Any, tuple[Decimal, ...]]:
    """A fund's sums that are not zero."""
    return {
        group: (sums.up, sums.down, sums.gross, sums.unrealized)
        for group, sums in state.exposures.sums(fund_id).items()
        if sums.gross
    }


def check_totals(state: Book, fund_id: str = "fund") -> None:
    """Groups are the sums of their symbols, each at the last price."""
    expected: dict[Any, list[Decimal]] = {}
    for symbol, (held, buying, selling) in worst(state, fund_id).items():
        instrument = built_in(symbol)
        assert instrument is not None
        price, size = PRICES[symbol], instrument.contract_size
        bought = max(buying * price, open_value(state, fund_id, symbol, 1))
        sold = max(selling * price, open_value(state, fund_id, symbol, -1))
        up, down = (held * price + bought) * size, (held * price - sold) * size
        sums = expected.setdefault((instrument.asset_class, instrument.currency), [Decimal(0)] * 3)
        for place, amount in enumerate((up, down, max(abs(up), abs(down), abs(held * price * size)))):
            sums[place] += amount
    kept = {(g.asset_class, g.currency): list(s[:3]) for g, s in totals(state, fund_id).items()}
    assert kept == {group: sums for group, sums in expected.items() if sums[2]}


def rebuilt(state: Book) -> Book:
    """A book loaded from the rows of the tables, as after a restart."""
    fresh = Book()
    for row in (*state.funds.rows.values(), *state.instruments.rows.values()):
        (fresh.funds if row in state.funds.rows.values() else fresh.instruments).load(row)  # type: ignore[arg-type]
    for order in state.orders.rows.values():
        fresh.load_order(order, list(state.order_executions(order.order_id)))
    for position in state.positions.rows.values():
        fresh.positions.load(position)
    for row in state.strategy_positions.rows.values():
        fresh.strategy_positions.load(row)
    return fresh


def quantities(state: Book) -> dict[str, tuple[Decimal, ...]]:
    """Per symbol, what the sums are made of."""
    cells = ((symbol, state.exposures.cell("fund", symbol)) for symbol in PRICES)
    own = (
        ((symbol, strategy), state.exposures.strategy_cell("fund", symbol, strategy))
        for symbol in PRICES
        for strategy in ("trend", "carry")
    )
    return {
        str(name): (cell.held, cell.buying, cell.selling, cell.buying_value, cell.selling_value)
        for name, cell in (*cells, *own)
        if cell is not None and (cell.held or cell.buying or cell.selling)
    }


class Day:
    """Orders of all kinds at prices that stand still: a limit order is filled at its limit or better."""

    def __init__(self, seed: int) -> None:
        self.dice, self.trades = Random(seed), 0
        self.book = Limited(LIMITS, strategy=stated(max_position_usd=NAV * OF_TREND))
        for symbol, price in PRICES.items():
            self.book.quote(symbol, price, pinned=True)

    def run(self, steps: int) -> None:
        """So many inputs, checked after each."""
        for _turn in range(steps):
            command = self.dice.choice(
                (self.submit, self.submit, self.send, self.replace, self.cancel, self.say)
            )()
            if command is None:
                continue
            before = quantities(self.book.engine.state), totals(self.book.engine.state, "fund")
            self.book.now = self.book.now.replace(microsecond=self.trades % 1_000_000)
            if isinstance(command, (SubmitOrder, SubmitCreated, ReplaceOrder, CancelOrder)):
                try:
                    self.book.engine.preview(command, self.book.now, Origin())
                except Refused:
                    continue
                after = quantities(self.book.engine.state), totals(self.book.engine.state, "fund")
                assert after == before, "a preview leaves nothing behind"
            self.book.step(command)
            self.check()

    def check(self) -> None:
        state = self.book.engine.state
        with localcontext(EXACT):
            check_sums(state)
            check_totals(state)
            check_strategies(state)
        check_no_subset_breaks_a_limit(state)

    def order(self) -> Order | None:
        wanted = [o for o in self.book.engine.state.orders.rows.values() if o.state not in TERMINAL]
        return self.dice.choice(wanted) if wanted else None

    def submit(self) -> SubmitOrder:
        symbol = self.dice.choice(list(PRICES))
        self.trades += 1
        limit = self.dice.choice((None, PRICES[symbol], PRICES[symbol] * 2, PRICES[symbol] / 2))
        kind = self.dice.choice((SubmitOrder, SubmitOrder, CreateOrder))
        return kind(
            fund_id="fund",
            symbol=symbol,
            side=self.dice.choice(list(Side)),
            quantity=self.dice.randint(1, 6) * Decimal(LOTS[symbol]),
            order_type=OrderType.MARKET if limit is None else OrderType.LIMIT,
            limit_price=limit,
            key_kind="idempotency_key",
            key=f"k{self.trades}",
            strategy_id=self.dice.choice((None, "trend", "carry")),
        )

    def send(self) -> SubmitCreated | None:
        """One that was only created is submitted."""
        created = [o for o in self.book.engine.state.orders.rows.values() if o.state is State.CREATED]
        return SubmitCreated(self.dice.choice(created).order_id) if created else None

    def replace(self) -> ReplaceOrder | None:
        order = self.order()
        if order is None or order.state not in (State.SUBMITTED, State.PARTIALLY_FILLED):
            return None
        return ReplaceOrder(
            order_id=order.order_id,
            quantity=max(order.filled_quantity, self.dice.randint(1, 9) * Decimal(LOTS[order.symbol])),
        )

    def cancel(self) -> CancelOrder | None:
        order = self.order()
        return None if order is None else CancelOrder(order_id=order.order_id)

    def say(self) -> Executed | Ended | Replaced | None:
        """The broker fills some of it, ends it, or does what a replace asked for."""
        order = self.order()
        if order is None or order.state is State.CREATED:
            return None
        asked = order.open_request(RequestKind.REPLACE)
        chance = self.dice.random()
        if asked is not None and chance < 0.4:
            if (asked.quantity or order.quantity) < order.filled_quantity:
                return None
            return Replaced(broker=BROKER, client_id=asked.client_id, quantity=asked.quantity)
        if chance < 0.6:
            return Ended(
                broker=BROKER, client_id=order.client_id, end=self.dice.choice((End.CANCELED, End.EXPIRED))
            )
        return self._fill(order, order.quantity - order.filled_quantity)

    def _fill(self, order: Order, left: Decimal) -> Executed | None:
        lots = int(left / Decimal(LOTS[order.symbol]))
        if lots < 1:
            return None
        self.trades += 1
        market = PRICES[order.symbol]
        better = min if order.side.sign > 0 else max
        return Executed(
            broker=BROKER,
            client_id=order.client_id,
            exec_id=f"x{self.trades}",
            time=self.book.now,
            quantity=self.dice.randint(1, lots) * Decimal(LOTS[order.symbol]),
            price=market if order.limit_price is None else better(market, order.limit_price),
        )


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**9), steps=st.integers(10, 60))
def test_no_accepted_sequence_breaks_a_limit_under_any_subset_of_fills(seed: int, steps: int) -> None:
    day = Day(seed)
    day.run(steps)
    state = day.book.engine.state
    for again in (day.book.replayed(), rebuilt(state)):
        assert quantities(again) == quantities(state)
        for symbol, price in PRICES.items():
            again.exposures.mark(symbol, price)
        assert totals(again, "fund") == totals(state, "fund")
        assert totals(again, "") == totals(state, "")


def test_the_day_has_everything_in_it() -> None:
    """Else it would prove nothing: orders of every kind pass, are refused, are filled and end."""
    seen: set[str] = set()
    for seed in range(30):
        day = Day(seed)
        day.run(60)
        seen |= {type(entry.event).__name__ for entry in day.book.entries}
        for order in day.book.engine.state.orders.rows.values():
            seen |= {order.state.value, str(order.reason_code), order.side.value}
            seen |= {"its own limit"} if "max_position_usd of strategy trend" in str(order.reason) else set()
    assert seen >= {
        "ReplaceRefused",
        "OrderReplaced",
        "OrderFilled",
        "OrderCanceled",
        "OrderExpired",
        "OrderJudged",
    }
    assert seen >= {"FILLED", "REJECTED", "buy", "sell", "short", "cover"}
    assert seen >= {"RISK_POSITION", "RISK_NET_EXPOSURE", "RISK_CLASS_EXPOSURE", "its own limit"}


def test_fills_after_the_end_are_counted() -> None:
    """More than was approved may come of a broker; it is booked, and counts against what is asked next."""
    book = Limited(LIMITS).order_of(30, limit=100).canceled()
    check_sums(book.engine.state)
    assert book.order_of(10, limit=100).code is None
    book.order_id = "ord-1"
    book.report(
        Executed(broker=BROKER, exec_id="late", time=book.now, quantity=Decimal(30), price=Decimal(100))
    )
    check_sums(book.engine.state)
    assert book.order_of(1).code == "RISK_POSITION"
    assert book.order_of(30, side=Side.SELL).code is None


def test_a_busy_day_and_its_restarts_keep_the_sums() -> None:
    async def main() -> None:
        journal, day = MemoryJournal(), BusyDay(7)
        signer = Signer("test.example/journal", bytes(32))
        before: Desk | None = None
        for until in (150, 300, 450, 600):
            desk = await Desk.open(journal, signer)
            funds = ("alpha", "beta", "gamma", "gradual")
            with localcontext(EXACT):
                check_sums(desk.engine.state, funds)
            if before is not None:
                for fund_id in funds:
                    ours, theirs = desk.engine.state.exposures, before.engine.state.exposures
                    for symbol in ("AAPL", "MSFT", "EURUSD", "BTC/USDT"):
                        one, other = ours.cell(fund_id, symbol), theirs.cell(fund_id, symbol)
                        assert one is None or other is not None
                        if one is not None and other is not None:
                            assert (one.held, one.buying, one.selling) == (
                                other.held,
                                other.buying,
                                other.selling,
                            )
                            assert (one.cost, one.buying_value) == (other.cost, other.buying_value)
            while desk.engine.size < until:
                await day.run(desk, desk.engine.size + 1)
                with localcontext(EXACT):
                    check_sums(desk.engine.state, funds)
            await check_built(journal, desk.engine.state)
            before = desk

    asyncio.run(main())


async def check_built(journal: MemoryJournal, state: Book) -> None:
    """What strategies have is what all fills of their orders come to, in the tables and in memory.

    All but in a fund that may be here for a while, which brings what it has from elsewhere.
    """
    strategies = {order.order_id: order.strategy_id for order in await journal.select("orders")}
    expected: dict[tuple[str, str, str], Decimal] = {}
    for fill in await journal.select("fills", {"counts": True}):
        if (strategy_id := strategies[fill.order_id]) is not None:
            key = fill.fund_id, fill.symbol, strategy_id
            expected[key] = expected.get(key, Decimal(0)) + fill.quantity * fill.side.sign
    built = await journal.select("strategy_positions")
    rows = {row.key: row.quantity for row in built if row.fund_id != "gamma"}
    assert {key: number for key, number in rows.items() if number} == {k: n for k, n in expected.items() if n}
    assert rows.keys() >= expected.keys()
    of_strategies = state.exposures._of_strategies.items()
    cells = {key: cell.held for key, cell in of_strategies if cell.held and key[0] != "gamma"}
    assert cells == {key: number for key, number in expected.items() if number}
    assert {key[2] for key in expected} == {"momentum", "trend", "gradual"}


def test_an_undone_step_leaves_the_sums_as_they_were() -> None:
    book = Limited(LIMITS).order_of(10).filled(4)
    state = book.engine.state
    before = quantities(state), totals(state, "fund"), totals(state, "")
    mark = state.mark()
    book.order_of(5)
    book.order_id = "ord-1"
    book.filled(3)
    book.cancel().canceled()
    assert quantities(state) != before[0]
    state.undo(mark)
    assert (quantities(state), totals(state, "fund"), totals(state, "")) == before


def test_prices_move_what_is_held_and_what_works() -> None:
    book = Limited(stated(nav_usd=10_000)).held(10).order_of(5, side=Side.SHORT).quote("AAPL", 50)
    (sums,) = totals(book.engine.state, "fund").values()
    assert sums == (Decimal(500), Decimal(0), Decimal(500), Decimal(-500))
    assert totals(book.engine.state, "").keys() == totals(book.engine.state, "fund").keys()


def test_limits_of_a_symbol_count_every_fund_s_orders() -> None:
    book = Limited().limits(stated(max_position_qty=10), Level.SYMBOL)
    book.step(SetLimits(level=Level.FUND, name="other", limits=replace(LIMITS, nav_usd=NAV), reason="so"))
    assert book.order_of(4).code is None
    assert book.order_of(7, fund_id="other", side=Side.SHORT).code == "RISK_POSITION"
    assert book.order_of(6, fund_id="other", side=Side.SHORT).code is None
    book.engine.take_quote(Quote("AAPL", book.now, Decimal(1), Decimal(1)))
    assert book.order_of(1).code == "RISK_POSITION"


def _without_replaces(order: Order) -> tuple[Decimal, Decimal]:
    left = Decimal(0) if order.state in UNCOUNTED else order.quantity - order.filled_quantity
    return left, left * (order.limit_price or order.reference_price or Decimal(0))


def _for_ever(order: Order) -> tuple[Decimal, Decimal]:
    return order.quantity, order.quantity * (order.limit_price or order.reference_price or Decimal(0))


def _only_acknowledged(order: Order) -> tuple[Decimal, Decimal]:
    return _without_replaces(order) if order.acknowledged_at is not None else (Decimal(0), Decimal(0))


@pytest.mark.parametrize("broken", [_without_replaces, _for_ever, _only_acknowledged])
def test_the_property_has_teeth(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposure, "reserved", broken)
    with pytest.raises(AssertionError):
        _twenty_days()


def _twenty_days() -> None:
    for seed in range(20):
        Day(seed).run(60)
