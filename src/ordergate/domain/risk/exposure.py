"""What funds may come to hold: positions, and what working orders can still add to them, at the last prices known.

Sums are kept as orders, positions and prices come and go; a question adds up a fund's groups (asset class, sector,
country, currency), never its orders or positions. An order counts from when it is judged to its end with all that can
still be filled of it, whether or not the broker has answered; of a replace under way, with the larger quantity.
Of a parent and its children together that is the parent's (`parents`).
Orders that guard a position are cut as others close it: of these and the others, only the larger quantity counts.

A strategy's part of a fund's position is kept beside it, in quantities and without a mark; it is in no sum.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Final, TypeVar

from msgspec import Struct

from ordergate.domain.instruments import AssetClass, Instrument
from ordergate.domain.money import ZERO, divide
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import TERMINAL
from ordergate.domain.positions.position import Position, StrategyPosition
from ordergate.domain.risk.parents import Parents
from ordergate.domain.risk.reserving import reserved

T = TypeVar("T")

Sides = tuple[Decimal, Decimal, Decimal, Decimal]
"""What can be bought, for how much, what can be sold, for how much."""
_NONE: Final[Sides] = (ZERO, ZERO, ZERO, ZERO)


class Group(Struct, frozen=True):
    """What is added up together: amounts in one currency."""

    asset_class: AssetClass
    sector: str | None
    country: str | None
    currency: str


class Sums(Struct):
    """Worth in the group's currency, of one symbol or of all in a group.

    Attributes:
        up: signed, if everything is filled that buys.
        down: signed, if everything is filled that sells.
        gross: unsigned, after the fills that make it largest.
        unrealized: profit of what is held.
    """

    up: Decimal = ZERO
    down: Decimal = ZERO
    gross: Decimal = ZERO
    unrealized: Decimal = ZERO

    def less(self, other: "Sums") -> "Sums":
        """How much more they are than others."""
        return Sums(
            self.up - other.up,
            self.down - other.down,
            self.gross - other.gross,
            self.unrealized - other.unrealized,
        )

    def add(self, other: "Sums") -> None:
        """Becomes so much more."""
        self.up += other.up
        self.down += other.down
        self.gross += other.gross
        self.unrealized += other.unrealized


class Cell:
    """One symbol of one fund, or of one strategy in a fund.

    Attributes:
        held: signed quantity; `cost` what its open lots cost.
        buying, selling: quantities that working orders can still fill; with their worth at the orders' own prices.
        guards: ids of orders that protect the position and have not ended.
        guarding: the part of `buying`, `buying_value`, `selling` and `selling_value` that is theirs.
        mark: the last price known; None before any.
        totals: the sums of its group, of the fund and of the firm, that it is a part of.
    """

    __slots__ = (
        "buying", "buying_value", "cost", "fund_id", "group", "guarding", "guards", "held", "mark", "selling",
        "selling_value", "size", "sums", "symbol", "totals",
    )  # fmt: skip

    def __init__(self, fund_id: str, instrument: Instrument) -> None:
        self.fund_id, self.symbol, self.size = fund_id, instrument.symbol, instrument.contract_size
        self.group = group_of(instrument)
        self.held = self.cost = self.buying = self.selling = self.buying_value = self.selling_value = ZERO
        self.guards: dict[str, None] = {}
        self.guarding = _NONE
        self.mark: Decimal | None = None
        self.sums = Sums()
        self.totals: tuple[Sums, ...] = ()

    def add_order(self, sign: int, quantity: Decimal, value: Decimal) -> None:
        """So much more can be bought (+1) or sold (-1) by what works, for so much; less where that is below zero."""
        if sign > 0:
            self.buying, self.buying_value = self.buying + quantity, self.buying_value + value
        else:
            self.selling, self.selling_value = self.selling + quantity, self.selling_value + value

    def add_guard(self, order_id: str, sign: int, quantity: Decimal, value: Decimal) -> None:
        """So much more of that is an order's that protects the position."""
        self.guards[order_id] = None
        self.guarding = _plus(self.guarding, sign, quantity, value)

    def _yielding(self, sign: int, quantity: Decimal, value: Decimal, *, guards: bool) -> Sides:
        """What can be bought and sold with an order more, with its worth: of guards and others the larger."""
        total = _plus(
            (self.buying, self.buying_value, self.selling, self.selling_value), sign, quantity, value
        )
        own = _plus(self.guarding, sign, quantity, value) if guards else self.guarding
        buying, buying_value, selling, selling_value = map(_larger, total, own)
        return buying, buying_value, selling, selling_value

    def with_order(
        self,
        sign: int,
        quantity: Decimal,
        value: Decimal,
        mark: Decimal | None = None,
        *,
        guards: bool = False,
    ) -> Sums:
        """The sums at a price (None: the last known) if so much more could be bought (+1) or sold (-1) for so much."""
        if guards or self.guards:
            buying, buying_value, selling, selling_value = self._yielding(
                sign, quantity, value, guards=guards
            )
        else:
            buying, selling = self.buying, self.selling
            buying_value, selling_value = self.buying_value, self.selling_value
            if sign > 0:
                buying, buying_value = buying + quantity, buying_value + value
            else:
                selling, selling_value = selling + quantity, selling_value + value
        at = self.price(ZERO) if mark is None else mark
        held = self.held * at
        up = held + max(buying_value, buying * at)
        down = held - max(selling_value, selling * at)
        unrealized = held * self.size - self.cost if self.held else ZERO
        gross = max(abs(up), abs(down), abs(held))
        return Sums(up * self.size, down * self.size, gross * self.size, unrealized)

    def price(self, default: Decimal) -> Decimal:
        """The last price known; before any, what was paid, else the default."""
        if self.mark is not None:
            return self.mark
        return divide(self.cost, self.held * self.size, 10) if self.held else default

    def quantities(
        self, sign: int = 1, more: Decimal = ZERO, *, guards: bool = False
    ) -> tuple[Decimal, Decimal]:
        """The least and the most that may come to be held if so much more could be bought (+1) or sold (-1)."""
        if guards or self.guards:
            buying, _paid, selling, _got = self._yielding(sign, more, ZERO, guards=guards)
            return self.held - selling, self.held + buying
        least, most = self.held - self.selling, self.held + self.buying
        if not more:
            return least, most
        return (least, most + more) if sign > 0 else (least - more, most)


def _plus(sides: Sides, sign: int, quantity: Decimal, value: Decimal) -> Sides:
    buying, buying_value, selling, selling_value = sides
    if sign > 0:
        return buying + quantity, buying_value + value, selling, selling_value
    return buying, buying_value, selling + quantity, selling_value + value


def _larger(total: Decimal, guarding: Decimal) -> Decimal:
    return max(total - guarding, guarding)


def group_of(instrument: Instrument) -> Group:
    """The group that an instrument is added up in."""
    return Group(instrument.asset_class, instrument.sector, instrument.country, instrument.currency)


class Exposures:
    """Every fund's, and the firm's.

    Attributes:
        parents: knows which orders are parts of which.
    """

    def __init__(self, instrument: Callable[[str], Instrument | None]) -> None:
        self._instrument = instrument
        self.parents = Parents()
        self._cells: dict[tuple[str, str], Cell] = {}
        self._by_symbol: dict[str, list[Cell]] = {}
        self._of_strategies: dict[tuple[str, str, str], Cell] = {}
        self._stale: dict[Cell, None] = {}
        self._sums: dict[str, dict[Group, Sums]] = {"": {}}

    def cell(self, fund_id: str, symbol: str) -> Cell | None:
        """What a fund has of a symbol; None where it never had any."""
        return self._cells.get((fund_id, symbol))

    def strategy_cell(self, fund_id: str, symbol: str, strategy_id: str) -> Cell | None:
        """What a strategy has of a symbol in a fund; None where it never had any."""
        return self._of_strategies.get((fund_id, symbol, strategy_id))

    def of_symbol(self, symbol: str) -> Iterable[Cell]:
        """What every fund has of it."""
        return self._by_symbol.get(symbol, ())

    def symbols(self) -> Iterable[str]:
        """Those of which something is held, or may come to be."""
        for symbol, cells in self._by_symbol.items():
            if any(cell.held or cell.buying or cell.selling for cell in cells):
                yield symbol

    def sums(self, fund_id: str) -> dict[Group, Sums]:
        """A fund's sums by group; the firm's for the empty name."""
        while self._stale:
            cell, _none = self._stale.popitem()
            self._refresh(cell)
        return self._sums.get(fund_id, {})

    def _refresh(self, cell: Cell) -> None:
        after = cell.with_order(1, ZERO, ZERO)
        moved = after.less(cell.sums)
        for total in cell.totals:
            total.add(moved)
        cell.sums = after

    def mark(self, symbol: str, price: Decimal) -> None:
        """A new price of a symbol."""
        for cell in self._by_symbol.get(symbol, ()):
            cell.mark = price
            self._stale[cell] = None

    def order_changed(self, before: Order | None, after: Order | None) -> None:
        """An order came, changed or went."""
        order = after or before
        if order is None:
            return
        if order.guards:
            self._guard_changed(order, before, after)
        was, now = _by_itself(before), _by_itself(after)
        more, more_value = self.parents.order_changed(before, after)
        if was == now and not more and not more_value:
            return
        cell = self._of(order.fund_id, order.symbol)
        quantity, value = now[0] - was[0] + more, now[1] - was[1] + more_value
        cell.add_order(order.side.sign, quantity, value)
        if cell.mark is None and order.reference_price is not None:
            cell.mark = order.reference_price
        self._stale[cell] = None
        if order.strategy_id is not None:
            own = self._of_strategy((order.fund_id, order.symbol, order.strategy_id))
            own.add_order(order.side.sign, quantity, value)

    def without(self, order: Order, look: Callable[[], T]) -> T:
        """What a look finds during which an order that is there does not count."""
        self.order_changed(order, None)
        try:
            return look()
        finally:
            self.order_changed(None, order)

    def _guard_changed(self, order: Order, before: Order | None, after: Order | None) -> None:
        was = (ZERO, ZERO) if before is None else reserved(before)
        now = (ZERO, ZERO) if after is None else reserved(after)
        key = order.fund_id, order.symbol
        cells = [self._of(*key)]
        if order.strategy_id is not None:
            cells.append(self._of_strategy((*key, order.strategy_id)))
        for cell in cells:
            cell.add_guard(order.order_id, order.side.sign, now[0] - was[0], now[1] - was[1])
            if after is None or after.state in TERMINAL:
                del cell.guards[order.order_id]

    def position_changed(self, before: Position | None, after: Position | None) -> None:
        """A position came, changed or went."""
        position = after or before
        if position is None:
            return
        cell = self._of(position.fund_id, position.symbol)
        cell.held, cell.cost = (ZERO, ZERO) if after is None else (after.quantity, after.cost)
        self._stale[cell] = None

    def strategy_position_changed(
        self, before: StrategyPosition | None, after: StrategyPosition | None
    ) -> None:
        """A strategy's part of a position came, changed or went."""
        position = after or before
        if position is not None:
            self._of_strategy(position.key).held = ZERO if after is None else after.quantity

    def _of_strategy(self, key: tuple[str, str, str]) -> Cell:
        cell = self._of_strategies.get(key)
        if cell is None:
            cell = self._of_strategies[key] = Cell(key[0], self._known(key[1]))
        return cell

    def _of(self, fund_id: str, symbol: str) -> Cell:
        cell = self._cells.get((fund_id, symbol))
        if cell is None:
            cell = self._cells[fund_id, symbol] = Cell(fund_id, self._known(symbol))
            groups = (self._sums.setdefault(name, {}) for name in (fund_id, ""))
            cell.totals = tuple(of.setdefault(cell.group, Sums()) for of in groups)
            self._by_symbol.setdefault(symbol, []).append(cell)
        return cell

    def _known(self, symbol: str) -> Instrument:
        instrument = self._instrument(symbol)
        if instrument is None:
            raise KeyError(symbol)
        return instrument


def _by_itself(order: Order | None) -> tuple[Decimal, Decimal]:
    """What an order reserves; nothing of a parent, which does with its children."""
    return _NOTHING if order is None or order.algo is not None else reserved(order)


_NOTHING: Final = (ZERO, ZERO)
