"""An account at a broker's MetaTrader 4 server: tickets, quotes, pending orders, levels, and what it refuses.

Only hedging, as MT4 is. An order is executed whole or not at all. A market order above the size that the market has
finds no price (136), a pending order above it waits. Written from MetaQuotes' documents of MQL4 and from what brokers
publish; marks on comments are theirs.
"""

from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct, field

from ordergate.testing.metatrader4.faults import ServerFaults

ZERO: Final = Decimal(0)
BUY, SELL, BUY_LIMIT, SELL_LIMIT, BUY_STOP, SELL_STOP, BALANCE, CREDIT = range(8)
TYPES: Final = ("buy", "sell", "buylimit", "selllimit", "buystop", "sellstop", "balance", "credit")


class Refused(Exception):
    """What the terminal's `GetLastError` says of a call that failed."""

    def __init__(self, code: int) -> None:
        super().__init__(f"error {code}")
        self.code = code


class Symbol(Struct, kw_only=True):
    """What is traded, and what is bid and asked.

    Attributes:
        rate: the account's currency for one of the profit's.
        execution: as in `symbols.json`; under `market` and `exchange` nobody looks at a slippage.
    """

    name: str = "EURUSD"
    digits: int = 5
    lot_size: Decimal = Decimal(100_000)
    lot_min: Decimal = Decimal("0.01")
    lot_max: Decimal = Decimal(100)
    lot_step: Decimal = Decimal("0.01")
    stop_level: int = 0
    freeze_level: int = 0
    execution: str = "instant"
    base: str = "EUR"
    profit: str = "USD"
    rate: Decimal = Decimal(1)
    commission: Decimal = ZERO
    trade_allowed: bool = True
    bid: Decimal = ZERO
    ask: Decimal = ZERO
    size: Decimal | None = None
    quoted_at: int = 0

    @property
    def point(self) -> Decimal:
        """The smallest step of a price."""
        return Decimal(1).scaleb(-self.digits)


class Ticket(Struct, kw_only=True):
    """A row of the terminal: an order, a position, or either of them ended. Times are the server's."""

    ticket: int
    type: int
    symbol: str
    lots: Decimal
    price: Decimal
    open_time: int
    sl: Decimal = ZERO
    tp: Decimal = ZERO
    close_price: Decimal = ZERO
    close_time: int = 0
    commission: Decimal = ZERO
    swap: Decimal = ZERO
    profit: Decimal = ZERO
    comment: str = ""
    magic: int = 0
    expiry: int = 0

    @property
    def pending(self) -> bool:
        """Whether it is an order that has not traded."""
        return BUY_LIMIT <= self.type <= SELL_STOP

    @property
    def buys(self) -> bool:
        """Whether it is on the side of buyers."""
        return self.type in (BUY, BUY_LIMIT, BUY_STOP)

    def stands(self, now: "Ticket") -> bool:
        """Whether its price, levels and expiry are still those."""
        return (self.price, self.sl, self.tp, self.expiry) == (now.price, now.sl, now.tp, now.expiry)


class Books(Struct, kw_only=True):
    """What the server remembers."""

    symbols: dict[str, Symbol]
    open: dict[int, Ticket] = field(default_factory=dict)
    closed: dict[int, Ticket] = field(default_factory=dict)
    later: list[tuple[float, str, list[str]]] = field(default_factory=list)
    balance: Decimal = Decimal(100_000)
    number: int = 700_001
    currency: str = "USD"
    leverage: int = 100
    next_ticket: int = 5_000_001
    offset_s: int = 7200
    market_open: bool = True


class Account:
    """The server's side; `path`, where given, keeps it, written at every change before anybody is answered.

    Attributes:
        books: all that it remembers.
        faults: what goes wrong.
        calls: each call that trades, with what it was given.
    """

    def __init__(
        self, clock: Callable[[], float], symbols: tuple[Symbol, ...] = (), path: Path | None = None
    ) -> None:
        self.clock, self._path = clock, path
        self.faults = ServerFaults()
        self.calls: list[tuple[str, tuple[object, ...]]] = []
        if path is not None and path.exists():
            self.books = msgspec.json.decode(path.read_bytes(), type=Books)
        else:
            self.books = Books(symbols={s.name: s for s in symbols or (Symbol(),)})
            self.save()

    @property
    def now(self) -> int:
        """The server's wall clock."""
        return int(self.clock()) + self.books.offset_s

    def save(self) -> None:
        """Keeps it."""
        if self._path is not None:
            part = self._path.with_name(self._path.name + ".part")
            part.write_bytes(msgspec.json.encode(self.books))
            part.replace(self._path)

    def symbol(self, name: str) -> Symbol:
        """Raises Refused where there is none."""
        found = self.books.symbols.get(name)
        if found is None:
            raise Refused(4106)
        return found

    def quote(self, name: str, bid: Decimal, ask: Decimal, size: Decimal | None = None) -> None:
        """The market is that now; orders and levels that it reaches are executed."""
        symbol = self.symbol(name)
        symbol.bid, symbol.ask, symbol.size, symbol.quoted_at = bid, ask, size, self.now
        self.work()
        self.save()

    def work(self) -> None:
        """Does what time and prices make due."""
        now = self.clock()
        for due in [one for one in self.books.later if one[0] <= now]:
            self.books.later.remove(due)
            self._do_late(due[1], due[2])
        for order in list(self.books.open.values()):
            symbol = self.books.symbols[order.symbol]
            if order.pending and order.expiry and order.expiry <= self.now:
                self.end(order, ZERO, f"expiration [{order.expiry}]")
            elif order.pending and symbol.bid and self._triggered(order, symbol):
                self._activate(order, symbol)
        for order in list(self.books.open.values()):
            self._guard(order, self.books.symbols[order.symbol])
        self._stop_out()
        self.save()

    def _do_late(self, name: str, given: list[str]) -> None:
        values = [Decimal(text) if index not in (0, 7) else text for index, text in enumerate(given)]
        if name == "open":
            symbol = self.symbol(str(values[0]))
            kind = int(values[1])
            self.enter(symbol, kind, *values[2:])  # type: ignore[arg-type]
        else:
            order = self.books.open.get(int(given[0]))
            if order is not None:
                self.leave(order, Decimal(given[1]))

    def enter(
        self,
        symbol: Symbol,
        kind: int,
        lots: Decimal,
        price: Decimal,
        sl: Decimal,
        tp: Decimal,
        magic: Decimal | int,
        comment: str,
        expiry: Decimal | int,
    ) -> Ticket:
        """A new ticket, for a market order at the market's price."""
        number = self.books.next_ticket
        self.books.next_ticket += 1
        if kind in (BUY, SELL):
            price = symbol.ask if kind == BUY else symbol.bid
            self._consume(symbol, lots)
        ticket = Ticket(
            ticket=number,
            type=kind,
            symbol=symbol.name,
            lots=lots,
            price=price,
            open_time=self.now,
            sl=sl,
            tp=tp,
            comment=self.faults.comment(comment),
            magic=int(magic),
            expiry=int(expiry),
            commission=self._commission(symbol, lots) if kind in (BUY, SELL) else ZERO,
        )
        self.books.open[number] = ticket
        return ticket

    def leave(self, order: Ticket, lots: Decimal) -> Ticket | None:
        """Closes that much of a position at the market's price; what is left, under its new ticket."""
        symbol = self.books.symbols[order.symbol]
        self._consume(symbol, lots)
        return self.end(order, symbol.bid if order.buys else symbol.ask, "", lots)

    def end(self, order: Ticket, price: Decimal, mark: str, lots: Decimal | None = None) -> Ticket | None:
        """Moves a ticket to the history, or that much of it; what is left goes on under a new ticket."""
        rest = None
        if lots is not None and lots < order.lots:
            number = self.books.next_ticket
            self.books.next_ticket += 1
            share = lots / order.lots
            rest = msgspec.structs.replace(
                order,
                ticket=number,
                lots=order.lots - lots,
                comment=f"from #{order.ticket}",
                commission=order.commission * (1 - share),
                swap=order.swap * (1 - share),
            )
            order.commission, order.swap, order.lots = order.commission * share, order.swap * share, lots
            mark = mark or f"to #{number}"
            order.comment = mark
            self.books.open[number] = rest
        elif mark:
            order.comment = f"{order.comment}{mark}"[:31] if mark.startswith("[") else mark
        order.close_price, order.close_time = price or order.price, self.now
        if not order.pending:
            order.profit = self.profit(order, price)
            self.books.balance += order.profit + order.commission + order.swap
        del self.books.open[order.ticket]
        self.books.closed[order.ticket] = order
        return rest

    def profit(self, order: Ticket, price: Decimal | None = None) -> Decimal:
        """Of a position, at a price or at the market's, in the account's currency."""
        symbol = self.books.symbols[order.symbol]
        if order.pending:
            return ZERO
        at = price if price is not None else (symbol.bid if order.buys else symbol.ask)
        made = (at - order.price) * order.lots * symbol.lot_size * symbol.rate
        return (made if order.buys else -made).quantize(Decimal("0.01"), ROUND_HALF_UP)

    def margin(self, symbol: Symbol, lots: Decimal) -> Decimal:
        """What that many lots need."""
        return lots * symbol.lot_size * symbol.ask * symbol.rate / self.books.leverage

    @property
    def used(self) -> Decimal:
        """The margin of all positions."""
        rows = [o for o in self.books.open.values() if not o.pending]
        return sum((self.margin(self.books.symbols[o.symbol], o.lots) for o in rows), ZERO)

    @property
    def floating(self) -> Decimal:
        """What open positions have made."""
        rows = [o for o in self.books.open.values() if not o.pending]
        return sum((self.profit(o) + o.commission + o.swap for o in rows), ZERO)

    @property
    def equity(self) -> Decimal:
        """The balance, and what is open."""
        return self.books.balance + self.floating

    def move_money(self, amount: Decimal, comment: str) -> Ticket:
        """A deposit or withdrawal: a closed ticket of its own type."""
        number = self.books.next_ticket
        self.books.next_ticket += 1
        self.books.balance += amount
        row = Ticket(
            ticket=number,
            type=BALANCE,
            symbol="",
            lots=ZERO,
            price=ZERO,
            open_time=self.now,
            close_time=self.now,
            profit=amount,
            comment=comment,
        )
        self.books.closed[number] = row
        self.save()
        return row

    def _commission(self, symbol: Symbol, lots: Decimal) -> Decimal:
        return -symbol.commission * lots

    def _consume(self, symbol: Symbol, lots: Decimal) -> None:
        if symbol.size is not None:
            symbol.size -= lots

    def _triggered(self, order: Ticket, symbol: Symbol) -> bool:
        if symbol.size is not None and order.lots > symbol.size:
            return False
        if order.type in (BUY_LIMIT, SELL_STOP):
            return (symbol.ask if order.type == BUY_LIMIT else symbol.bid) <= order.price
        return (symbol.bid if order.type == SELL_LIMIT else symbol.ask) >= order.price

    def _activate(self, order: Ticket, symbol: Symbol) -> None:
        if self.margin(symbol, order.lots) > self.equity - self.used:
            self.end(order, ZERO, "no money")
            return
        self._consume(symbol, order.lots)
        order.price = symbol.ask if order.buys else symbol.bid
        order.type, order.open_time, order.expiry = (BUY if order.buys else SELL), self.now, 0
        order.commission = self._commission(symbol, order.lots)

    def _guard(self, order: Ticket, symbol: Symbol) -> None:
        if order.pending or not symbol.bid:
            return
        price, sign = (symbol.bid, 1) if order.buys else (symbol.ask, -1)
        if order.sl and sign * (price - order.sl) <= 0:
            self.end(order, price, "[sl]")
        elif order.tp and sign * (price - order.tp) >= 0:
            self.end(order, price, "[tp]")

    def _stop_out(self) -> None:
        while self.used and self.equity * 2 < self.used:
            worst = min((o for o in self.books.open.values() if not o.pending), key=self.profit)
            symbol = self.books.symbols[worst.symbol]
            level = self.equity / self.used * 100
            self.end(worst, symbol.bid if worst.buys else symbol.ask, f"so: {level:.1f}%")
