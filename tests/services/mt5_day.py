"""A day of real quotes, the same orders at several brokers, and a book that says what becomes of them.

The book is the test's own idea of a market: everything trades at the touch, as much as is asked for. It is also the
class that stands behind the sync adapter. What a terminal must have open follows from its fills and the account's mode.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import Struct

from ordergate.adapters.market_data.csv_quotes import read_quotes
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.states import OrderType, Side, TimeInForce

FILE = Path(__file__).parents[3] / "shared" / "data" / "eurusd-2014-05-08.quotes.csv.gz"
SYMBOL = "EURUSD"
POINT = Decimal("0.00001")
LOT = Decimal("0.01")
OPENS = (Side.BUY, Side.SHORT)
PRICED = (OrderType.LIMIT, OrderType.STOP)


@cache
def quotes_of(count: int | None = None, each: int = 1) -> tuple[Quote, ...]:
    """Those of the day: so many from its beginning, of which each so-manyeth; skips where they are not here."""
    if not FILE.exists():
        pytest.skip(f"the quotes of the day are not here: {FILE}")
    return tuple(islice(read_quotes(FILE), 0, None if count is None else count * each, each))


class Step(Struct, frozen=True, kw_only=True):
    """What is asked for once that quote has come: an order, or the cancel of one."""

    quote: int
    key: str
    side: Side = Side.BUY
    quantity: Decimal = LOT
    kind: OrderType = OrderType.MARKET
    price: Decimal | None = None
    cancels: bool = False

    def order(self, fund: str) -> SubmitOrder:
        """For that fund."""
        return SubmitOrder(
            fund_id=fund,
            symbol=SYMBOL,
            side=self.side,
            quantity=self.quantity,
            order_type=self.kind,
            limit_price=self.price if self.kind is OrderType.LIMIT else None,
            stop_price=self.price if self.kind is OrderType.STOP else None,
            tif=TimeInForce.GTC,
            key_kind="idempotency_key",
            key=self.key,
        )


class Deal(Struct, frozen=True, kw_only=True):
    """An execution."""

    key: str
    side: Side
    quantity: Decimal
    kind: OrderType
    price: Decimal

    @property
    def signed(self) -> Decimal:
        return self.side.sign * self.quantity


class Book:
    """The market of one symbol.

    Attributes:
        deals: all executions, in their order.
        working: orders that wait, by key, in their order.
    """

    def __init__(self) -> None:
        self.deals: list[Deal] = []
        self.working: dict[str, Step] = {}
        self.bid = self.ask = Decimal(0)

    @property
    def net(self) -> Decimal:
        """Lots, signed."""
        return sum((deal.signed for deal in self.deals), Decimal(0))

    def quote(self, quote: Quote) -> None:
        self.bid, self.ask = quote.bid, quote.ask
        for step in list(self.working.values()):
            if self._reached(step):
                self._deal(self.working.pop(step.key))

    def take(self, step: Step) -> None:
        if step.cancels:
            self.working.pop(step.key, None)
        elif step.kind is OrderType.MARKET:
            self._deal(step)
        else:
            self.working[step.key] = step

    def _touch(self, side: Side) -> Decimal:
        return self.ask if side.sign > 0 else self.bid

    def _reached(self, step: Step) -> bool:
        """A limit by a price as good, a stop by one as bad."""
        worse = (self._touch(step.side) - (step.price or 0)) * step.side.sign
        return worse <= 0 if step.kind is OrderType.LIMIT else worse >= 0

    def _deal(self, step: Step) -> None:
        price = self._touch(step.side)
        self.deals.append(
            Deal(key=step.key, side=step.side, quantity=step.quantity, kind=step.kind, price=price)
        )


def plan(quotes: Sequence[Quote], orders: int, reach: int, seed: int) -> list[Step]:
    """Orders of all kinds all over the time of the quotes: a third of the market's close a part of what is held then.

    Args:
        reach: how far from the market those that wait are put, in points, at most.
    """
    dice, book, steps = Random(seed), Book(), list[Step]()
    begin, length = quotes[0].time, quotes[-1].time - quotes[0].time
    times = (begin + length * ((number + dice.random()) / orders) for number in range(orders))
    at = [bisect_left(quotes, time, key=lambda quote: quote.time) for time in times]
    for number, quote in enumerate(quotes):
        book.quote(quote)
        while at and at[0] == number:
            at.pop(0)
            step = _step(dice, book, number, f"o{len(steps)}", reach)
            book.take(step)
            steps.append(step)
    return steps


def _step(dice: Random, book: Book, number: int, key: str, reach: int) -> Step:
    what = dice.choice(("market", "market", "close", "limit", "limit", "stop", "cancel"))
    lots = LOT * dice.randint(1, 50)
    if what == "cancel" and book.working:
        return Step(quote=number, key=dice.choice(list(book.working)), cancels=True)
    if what == "close" and abs(book.net) > LOT:
        part = LOT * dice.randint(1, int(abs(book.net) / LOT))
        return Step(quote=number, key=key, side=Side.SELL if book.net > 0 else Side.COVER, quantity=part)
    side = dice.choice((*OPENS, *OPENS, Side.SELL, Side.COVER))
    if what not in ("limit", "stop"):
        return Step(quote=number, key=key, side=side, quantity=lots)
    away = POINT * dice.randint(reach // 8 + 1, reach)
    if what == "limit":  # from the side of the market that it does not trade at
        price = (book.bid if side.sign > 0 else book.ask) - away * side.sign
    else:
        price = (book.ask if side.sign > 0 else book.bid) + away * side.sign
    return Step(quote=number, key=key, side=side, quantity=lots, kind=OrderType(what), price=price)


def tickets(deals: list[Deal]) -> list[Decimal]:
    """What a hedging account has open: lots, signed, the oldest first.

    Buying and selling short open. Selling and covering at the market close what is open, the oldest first, and open
    with what is left; an order that waits knows nothing of that yet, and opens.
    """
    held: list[Decimal] = []
    for deal in deals:
        left = deal.signed
        if deal.side not in OPENS and deal.kind is OrderType.MARKET:
            for number, lots in enumerate(held):
                closed = min(abs(lots), abs(left)) if lots * left < 0 else Decimal(0)
                held[number] += closed * deal.side.sign
                left -= closed * deal.side.sign
        held = [lots for lots in (*held, left) if lots]
    return held


class OwnBroker:
    """Somebody's own class over the same quotes."""

    order_types = ("market", "limit", "stop")
    tifs = ("gtc",)
    decimals = True

    def __init__(self, book: Book) -> None:
        self.book = book
        self._canceled: set[str] = set()
        self._steps: dict[str, Step] = {}

    def place_order(self, ticket: Any) -> Any:
        name, side = ticket.client_id, Side.BUY if ticket.direction == "BUY" else Side.SELL
        price = ticket.limit_price if ticket.limit_price is not None else ticket.stop_price
        kind = OrderType(ticket.order_type)
        self._steps[name] = Step(quote=0, key=name, side=side, quantity=ticket.volume, kind=kind, price=price)
        self.book.take(self._steps[name])
        return SimpleNamespace(success=True, order_id=name, error=None)

    def get_order_status(self, order_id: str) -> Any:
        deal = next((deal for deal in self.book.deals if deal.key == order_id), None)
        if deal is not None:
            return _status("FILLED", deal.quantity, deal.price)
        return _status("CANCELED" if order_id in self._canceled else "SUBMITTED", Decimal(0), None)

    def close_order(self, order_id: str) -> bool:
        if order_id in self.book.working:
            del self.book.working[order_id]
            self._canceled.add(order_id)
        return order_id in self._canceled

    def get_positions(self) -> dict[str, Decimal]:
        return {SYMBOL: self.book.net}


def _status(state: str, filled: Decimal, price: Decimal | None) -> Any:
    return SimpleNamespace(state=state, filled_volume=filled, average_price=price)


def moments(quotes: Sequence[Quote], count: int) -> Iterator[int]:
    """So many, evenly; the last is the end."""
    return (len(quotes) * number // count - 1 for number in range(1, count + 1))
