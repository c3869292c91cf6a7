"""Positions and lots, first in first out: by hand, and against a model that knows single units."""

from collections import deque
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.domain.orders.states import Side
from ordergate.domain.positions.lots import Lot
from ordergate.domain.positions.position import Position
from ordergate.testing.playbook import START, Playbook, bust, correct, fill
from tests.depth import QUICKLY, thoroughly

D = Decimal
Trade = tuple[int, int | str]


class Desk:
    """Trades one symbol: one order a trade, filled at once."""

    def __init__(self, symbol: str = "AAPL") -> None:
        self.book, self.symbol, self.count = Playbook(), symbol, 0

    def trade(self, quantity: int, price: int | str, **more: object) -> str:
        """Buys, or sells below zero; returns the order's id."""
        self.count += 1
        side = Side.BUY if quantity > 0 else Side.SELL
        self.book.submit(abs(quantity), symbol=self.symbol, side=side)
        self.book.report(fill("x", abs(quantity), price, **more))
        return self.book.order_id

    def bust(self, order_id: str) -> None:
        self.book.order_id = order_id
        self.book.report(bust("b", "x"))

    def correct(self, order_id: str, quantity: int, price: int | str) -> None:
        self.book.order_id = order_id
        self.book.report(correct("c", "x", quantity, price))

    @property
    def position(self) -> Position:
        return self.book.engine.state.positions.rows["fund", self.symbol]

    @property
    def lots(self) -> list[Lot]:
        return list(self.book.engine.state.lots.rows.values())

    @property
    def open(self) -> list[tuple[int, Decimal]]:
        return [(int(lot.remaining), lot.price) for lot in self.lots if lot.remaining]


# trades; quantity, cost, realised; open lots
BY_HAND: dict[str, tuple[list[Trade], tuple[int, str, str], list[tuple[int, str]]]] = {
    "buys add lots": ([(100, 10), (50, 12)], (150, "1600", "0"), [(100, "10"), (50, "12")]),
    "a sale takes the oldest": ([(100, 10), (50, 12), (-120, 15)], (30, "360", "560"), [(30, "12")]),
    "a sale of all": ([(100, 10), (-100, 9)], (0, "0", "-100"), []),
    "a short": ([(-100, 10), (-50, 12)], (-150, "-1600", "0"), [(-100, "10"), (-50, "12")]),
    "a cover takes the oldest": ([(-100, 10), (-50, 12), (120, 8)], (-30, "-360", "280"), [(-30, "12")]),
    "long crosses zero": ([(100, 10), (-150, 12)], (-50, "-600", "200"), [(-50, "12")]),
    "short crosses zero": ([(-100, 10), (150, 12)], (50, "600", "-200"), [(50, "12")]),
    "crosses several lots": ([(10, 10), (20, 11), (-40, 12)], (-10, "-120", "40"), [(-10, "12")]),
    "flat and on again": ([(10, 10), (-10, 11), (5, 20)], (5, "100", "10"), [(5, "20")]),
    "prices keep their digits": ([(3, "10.01"), (-1, "10.02")], (2, "20.02", "0.01"), [(2, "10.01")]),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name: str) -> None:
    trades, (quantity, cost, realized), lots = BY_HAND[name]
    desk = Desk()
    for trade in trades:
        desk.trade(*trade)
    position = desk.position
    assert (position.quantity, position.cost, position.realized_pnl) == (quantity, D(cost), D(realized))
    assert desk.open == [(left, D(price)) for left, price in lots]


def test_contract_size_multiplies_money_only() -> None:
    desk = Desk("EURUSD")
    desk.trade(2, "1.10")
    desk.trade(-1, "1.11")
    position = desk.position
    assert (position.quantity, position.cost, position.realized_pnl) == (1, 110_000, 1000)
    assert position.average_price(D(100_000)) == D("1.1")
    desk.trade(-1, "1.11")
    assert desk.position.average_price(D(100_000)) is None


def test_a_lot_keeps_its_story() -> None:
    desk = Desk()
    desk.trade(100, 10, seconds=1)
    desk.trade(-40, 12, seconds=2)
    desk.trade(-60, 13, seconds=3)
    (lot,) = desk.lots
    assert (lot.lot_id, lot.number, lot.quantity, lot.remaining) == ("ord-1-f1", 1, 100, 0)
    assert (lot.opened_at - START).total_seconds() == 1
    assert lot.closed_at is not None
    assert (lot.closed_at - START).total_seconds() == 3
    assert (lot.close_price, lot.realized_pnl) == (13, 260)


def test_a_bust_takes_back_the_open_lot_of_its_fill() -> None:
    desk = Desk()
    desk.trade(100, 10)
    second = desk.trade(50, 12)
    desk.trade(30, 14)
    desk.bust(second)
    assert desk.open == [(100, 10), (30, 14)]
    assert (desk.position.quantity, desk.position.cost, desk.position.realized_pnl) == (130, 1420, 0)


def test_a_bust_of_a_partly_closed_lot_takes_the_rest_from_the_oldest() -> None:
    desk = Desk()
    first = desk.trade(100, 10)
    desk.trade(50, 12)
    desk.trade(-60, 15)
    desk.bust(first)
    # 40 of the lot were open; the other 60 are booked at the price of the bust against 50 at 12, then short.
    assert desk.open == [(-10, 10)]
    assert (desk.position.quantity, desk.position.cost) == (-10, -100)
    assert desk.position.realized_pnl == 60 * 5 + 50 * (10 - 12)


def test_a_bust_of_a_closing_fill_opens_again() -> None:
    desk = Desk()
    desk.trade(100, 10)
    sale = desk.trade(-100, 12)
    desk.bust(sale)
    assert (desk.position.quantity, desk.position.cost, desk.position.realized_pnl) == (100, 1200, 200)
    assert [lot.lot_id for lot in desk.lots] == ["ord-1-f1", "ord-2-f1-bust"]


def test_a_correction_replaces_the_lot() -> None:
    desk = Desk()
    first = desk.trade(100, 10)
    desk.correct(first, 80, 11)
    assert desk.open == [(80, 11)]
    assert (desk.position.quantity, desk.position.cost, desk.position.realized_pnl) == (80, 880, 0)


def test_fees_are_kept_by_currency_and_taken_back_with_their_fill() -> None:
    desk = Desk()
    first = desk.trade(10, 10, fee=D(1), fee_currency="USD")
    desk.trade(10, 10, fee=D(2), fee_currency="EUR")
    desk.trade(10, 10, fee=D(3), fee_currency="USD")
    desk.trade(10, 10, fee=D(4))
    assert desk.position.fees == (("EUR", 2), ("USD", 8))  # without a currency it is the instrument's
    desk.bust(first)
    assert desk.position.fees == (("EUR", 2), ("USD", 7))


def test_the_oldest_open_lot_is_known() -> None:
    desk = Desk()
    for _ in range(3):
        desk.trade(10, 10)
    desk.trade(-15, 10)
    assert (desk.position.oldest_open, desk.position.lot_count) == (2, 3)
    desk.trade(-15, 10)
    assert (desk.position.oldest_open, desk.position.lot_count) == (4, 3)


def units(trades: list[Trade]) -> tuple[int, int, int]:
    """Quantity, cost and realised, one unit after the other through a queue."""
    held: deque[tuple[int, int]] = deque()
    realized = 0
    for quantity, price in trades:
        sign = 1 if quantity > 0 else -1
        for _ in range(abs(quantity)):
            if held and held[0][0] != sign:
                opened_sign, opened_at = held.popleft()
                realized += opened_sign * (int(price) - opened_at)
            else:
                held.append((sign, int(price)))
    return sum(s for s, _p in held), sum(s * p for s, p in held), realized


TRADES = st.tuples(st.integers(-30, 30).filter(bool), st.integers(1, 20))


@QUICKLY
@given(st.lists(TRADES, min_size=1, max_size=12))
def test_as_a_queue_of_single_units(trades: list[Trade]) -> None:
    desk = Desk()
    for done, trade in enumerate(trades, 1):
        desk.trade(*trade)
        position = desk.position
        assert (position.quantity, position.cost, position.realized_pnl) == units(trades[:done])
        assert sum(lot.remaining for lot in desk.lots) == position.quantity


@QUICKLY
@given(st.lists(TRADES, min_size=1, max_size=8), st.data())
def test_busts_leave_quantity_and_worth_as_if_the_trades_had_never_been(
    trades: list[Trade], data: st.DataObject
) -> None:
    desk = Desk()
    orders = [(desk.trade(*trade), trade) for trade in trades]
    busted = data.draw(st.sets(st.integers(0, len(trades) - 1)))
    for number in data.draw(st.permutations(sorted(busted))):
        desk.bust(orders[number][0])
    left = [trade for number, trade in enumerate(trades) if number not in busted]
    quantity, cost, realized = units(left)
    position = desk.position
    assert position.quantity == quantity
    # Which lots remain follows the journal; what was spent in all does not.
    assert position.cost - position.realized_pnl == cost - realized
    assert sum(lot.remaining for lot in desk.lots) == quantity
    assert sum(lot.remaining * lot.price for lot in desk.lots) == position.cost


test_as_a_queue_of_single_units_thoroughly = thoroughly(
    test_as_a_queue_of_single_units, st.lists(TRADES, min_size=1, max_size=12)
)
test_busts_thoroughly = thoroughly(
    test_busts_leave_quantity_and_worth_as_if_the_trades_had_never_been,
    st.lists(TRADES, min_size=1, max_size=8),
    st.data(),
)
