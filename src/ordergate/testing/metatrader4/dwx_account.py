"""A hedging account of MetaTrader 4 as an expert advisor sees it: tickets, quotes, errors by number.

Written from MetaQuotes' reference of MQL4: an order is opened whole or not at all; one that waits must be on its side
of the market; what is closed in part goes on under another ticket, and the comments of both say so; the server closes
at stop loss and take profit, and notes that at the end of the comment. No money but balance and margin; the times are
the broker's own, hours beside UTC.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

_LONGEST_COMMENT: Final = 31
_LEVERAGE: Final = 100
ZERO: Final = Decimal(0)
POINTS: Final = 10
INVALID_PARAMETER, INVALID_TICKET, UNKNOWN_SYMBOL = 4051, 4108, 4106
INVALID_STOPS, INVALID_VOLUME, NO_MONEY, REQUOTE = 130, 131, 134, 138


class TradeError(Exception):
    """A trade function returned false; `code` is what GetLastError says."""

    def __init__(self, code: int) -> None:
        super().__init__(f"error {code}")
        self.code = code


class Symbol(Struct, kw_only=True):
    """What is traded, and its market."""

    name: str
    digits: int = 5
    contract_size: Decimal = Decimal(100_000)
    smallest: Decimal = Decimal("0.01")
    largest: Decimal = Decimal(100)
    step: Decimal = Decimal("0.01")
    bid: Decimal
    ask: Decimal
    size: Decimal = Decimal(1_000_000)

    @property
    def point(self) -> Decimal:
        """The smallest step of its price."""
        return Decimal(1).scaleb(-self.digits)


class Order(Struct, kw_only=True):
    """An order that waits, a position, or what became of one."""

    ticket: int
    symbol: str
    type: str
    lots: Decimal
    price: Decimal
    stop_loss: Decimal
    take_profit: Decimal
    magic: int
    comment: str
    opened_at: datetime
    closed_at: datetime | None = None
    close_price: Decimal = ZERO
    commission: Decimal = ZERO
    swap: Decimal = ZERO
    profit: Decimal = ZERO

    @property
    def is_position(self) -> bool:
        """Else it waits, or was deleted."""
        return self.type in ("buy", "sell")

    @property
    def buys(self) -> bool:
        """Which side it is on."""
        return self.type.startswith("buy")


class DwxAccount:
    """The server's side.

    Args:
        now: the time in UTC.
        hours: how far the broker's clock is ahead of UTC.

    Attributes:
        commission: of a lot, taken when it is opened.
        refuses: the error with which every order is refused.
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        *symbols: Symbol,
        hours: int = 2,
        balance: Decimal = Decimal(100_000),
    ) -> None:
        self._now, self._hours = now, hours
        self.symbols = {symbol.name: symbol for symbol in symbols}
        self.name, self.number, self.currency = "Jane Roe", 4_711, "USD"
        self.balance, self.commission = balance, ZERO
        self.refuses: int | None = None
        self.open: dict[int, Order] = {}
        self.past: dict[int, Order] = {}
        self._next = 1_000

    @property
    def time(self) -> datetime:
        """The broker's."""
        return self._now() + timedelta(hours=self._hours)

    @property
    def profit(self) -> Decimal:
        """Of what is open."""
        return sum((self._profit(order, self._exit(order)) for order in self._positions()), ZERO)

    @property
    def free_margin(self) -> Decimal:
        """What is left to open with."""
        bound = sum(
            (self._margin(order.symbol, order.lots, order.price) for order in self._positions()), ZERO
        )
        return self.balance + self.profit - bound

    def select(self, ticket: int) -> Order | None:
        """An order by ticket, also one that is over."""
        return self.open.get(ticket) or self.past.get(ticket)

    def send(
        self,
        symbol: str,
        kind: str,
        lots: Decimal,
        price: Decimal,
        slippage: int,
        levels: tuple[Decimal, Decimal],
        comment: str,
        magic: int,
    ) -> int:
        """Opens, or lets wait; gives the ticket. Raises TradeError."""
        market = self.symbols.get(symbol)
        if market is None:
            raise TradeError(UNKNOWN_SYMBOL)
        if self.refuses is not None:
            raise TradeError(self.refuses)
        if not market.smallest <= lots <= market.largest or lots % market.step:
            raise TradeError(INVALID_VOLUME)
        order = Order(
            ticket=self._next,
            symbol=symbol,
            type=kind,
            lots=lots,
            price=price,
            stop_loss=levels[0],
            take_profit=levels[1],
            magic=magic,
            comment=comment[:_LONGEST_COMMENT],
            opened_at=self.time,
        )
        if order.is_position:
            now = market.ask if order.buys else market.bid
            if abs(now - price) > slippage * market.point:
                raise TradeError(REQUOTE)
            order.price = now
        elif not _waits(order, market):
            raise TradeError(INVALID_STOPS)
        if not _levels_fit(order, market):
            raise TradeError(INVALID_STOPS)
        if order.is_position and self._margin(symbol, lots, order.price) > self.free_margin:
            raise TradeError(NO_MONEY)
        self._add(order)
        return order.ticket

    def close(self, ticket: int, lots: Decimal) -> None:
        """Closes a position or a part of it at the market. Raises TradeError."""
        order = self.open.get(ticket)
        if order is None or not order.is_position:
            raise TradeError(INVALID_TICKET)
        if not 0 < lots <= order.lots:
            raise TradeError(INVALID_PARAMETER)
        if lots % self.symbols[order.symbol].step:
            raise TradeError(INVALID_VOLUME)
        self._close(order, lots, self._exit(order))

    def delete(self, ticket: int) -> None:
        """Deletes an order that waits. Raises TradeError."""
        order = self.open.get(ticket)
        if order is None or order.is_position:
            raise TradeError(INVALID_TICKET)
        del self.open[ticket]
        order.closed_at, order.close_price = self.time, self._exit(order)
        self.past[ticket] = order

    def quote(self, symbol: str, bid: Decimal, ask: Decimal, size: Decimal | None = None) -> None:
        """The market moves: what waits for that price is opened, what is protected by it closed."""
        market = self.symbols[symbol]
        market.bid, market.ask = bid, ask
        if size is not None:
            market.size = size
        for order in [one for one in self.open.values() if one.symbol == symbol]:
            if order.is_position:
                self._protect(order, market)
            elif not _waits(order, market) and order.lots <= market.size:
                market.size -= order.lots
                self._open(order, market)

    def stop_out(self, ticket: int) -> None:
        """The server closes a position for want of money."""
        order = self.open[ticket]
        order.comment = "so: 48.0%/100.0/-2.0"
        self._close(order, order.lots, self._exit(order))

    def _open(self, order: Order, market: Symbol) -> None:
        touch = market.ask if order.buys else market.bid
        limited = order.type.endswith("limit")
        best = min if order.buys == limited else max
        order.price = best(order.price, touch)
        order.type = "buy" if order.buys else "sell"
        order.opened_at = self.time
        order.commission = -self.commission * order.lots

    def _protect(self, order: Order, market: Symbol) -> None:
        price = market.bid if order.buys else market.ask
        sign = 1 if order.buys else -1
        for level, mark, hit in (
            (order.stop_loss, "[sl]", (price - order.stop_loss) * sign <= 0),
            (order.take_profit, "[tp]", (price - order.take_profit) * sign >= 0),
        ):
            if level and hit:
                order.comment = order.comment[: _LONGEST_COMMENT - len(mark)] + mark
                self._close(order, order.lots, price)
                return

    def _close(self, order: Order, lots: Decimal, price: Decimal) -> None:
        left = order.lots - lots
        part = lots / order.lots
        done = replace(
            order,
            lots=lots,
            closed_at=self.time,
            close_price=price,
            commission=order.commission * part,
            swap=order.swap * part,
        )
        done.profit = self._profit(done, price)
        del self.open[order.ticket]
        self.past[order.ticket] = done
        self.balance += done.profit + done.commission + done.swap
        if left:
            rest = replace(
                order,
                ticket=self._next,
                lots=left,
                comment=f"from #{order.ticket}",
                commission=order.commission - done.commission,
                swap=order.swap - done.swap,
            )
            done.comment = f"to #{rest.ticket}"
            self.open[rest.ticket] = rest
            self._next += 1

    def _add(self, order: Order) -> None:
        if order.is_position:
            order.commission = -self.commission * order.lots
        self.open[order.ticket] = order
        self._next += 1

    def _positions(self) -> list[Order]:
        return [order for order in self.open.values() if order.is_position]

    def _exit(self, order: Order) -> Decimal:
        market = self.symbols[order.symbol]
        return market.bid if order.buys else market.ask

    def _profit(self, order: Order, price: Decimal) -> Decimal:
        sign = 1 if order.buys else -1
        size = self.symbols[order.symbol].contract_size
        return (price - order.price) * sign * order.lots * size

    def _margin(self, symbol: str, lots: Decimal, price: Decimal) -> Decimal:
        return lots * self.symbols[symbol].contract_size * price / _LEVERAGE


def _waits(order: Order, market: Symbol) -> bool:
    """Whether an order's price is still to come."""
    if order.type == "buylimit":
        return order.price < market.ask
    if order.type == "selllimit":
        return order.price > market.bid
    if order.type == "buystop":
        return order.price > market.ask
    return order.price < market.bid


def _levels_fit(order: Order, market: Symbol) -> bool:
    """Whether stop loss and take profit are on their sides of where it would be closed."""
    sign = 1 if order.buys else -1
    at = order.price if not order.is_position else (market.bid if order.buys else market.ask)
    loss = not order.stop_loss or (at - order.stop_loss) * sign > 0
    return loss and (not order.take_profit or (order.take_profit - at) * sign > 0)
