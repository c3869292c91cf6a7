"""Positions: a fill closes what is open on the other side, lot by lot, then opens with the rest.

Total cost is kept, never an average: an average drifts (27th digit after 100,000 buys) and replay would not
be equal. A bust takes back the lot that its fill opened, as far as that is still open; what other fills have
closed of it since is booked against the lots that are open now, for lots follow the journal.

Where the method averages, a close takes cost x taken / quantity out of the cost, rounded half to even to `PLACES`
digits where that does not divide; what is rounded off stays in the cost. So realised profit and cost together are
exact, and who closes all of a position takes all of its cost.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from ordergate.domain.money import DIGITS, ZERO, divide, share
from ordergate.domain.positions.lots import Lot, Matching

PLACES: Final = DIGITS
"""Digits behind the point of a share of an averaged cost."""


class Position(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What a fund holds of a symbol.

    Attributes:
        quantity: signed, in the instrument's unit; below zero is short.
        cost: signed, in the instrument's currency: sum over open lots of remaining x price x contract size; where the
            method averages, what closes have left of it.
        realized_pnl: in the instrument's currency, fees apart.
        fees: per currency, paid is positive.
        oldest_open: number below which no lot is open.
        lot_count: lots ever opened.
        averaged: number of the newest lot whose cost a close has averaged with the others'.
        year: the latest calendar year (UTC) of its fills; 0 before any.
        realized_in_year: the part of `realized_pnl` that fills of that year have made.
    """

    fund_id: str
    symbol: str
    updated_at: datetime
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realized_pnl: Decimal = ZERO
    fees: tuple[tuple[str, Decimal], ...] = ()
    oldest_open: int = 1
    lot_count: int = 0
    averaged: int = 0
    year: int = 0
    realized_in_year: Decimal = ZERO

    def average_price(self, contract_size: Decimal) -> Decimal | None:
        """Cost per unit, to 10 places; None when flat. For showing."""
        if not self.quantity:
            return None
        return divide(self.cost, self.quantity * contract_size, 10)


class StrategyPosition(Struct, frozen=True, gc=False, kw_only=True):
    """What the fills of a strategy's own orders have built of a symbol in a fund; flat and unknown are the same.

    Attributes:
        quantity: signed, in the instrument's unit, in plain form: the same in whatever order the fills came.
    """

    fund_id: str
    symbol: str
    strategy_id: str
    quantity: Decimal = ZERO

    @property
    def key(self) -> tuple[str, str, str]:
        """Fund, symbol and strategy."""
        return self.fund_id, self.symbol, self.strategy_id


class Trade(Struct, frozen=True, gc=False):
    """What a position needs to know of a fill: `quantity` is signed; `year` is the calendar year that it counts in."""

    lot_id: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str | None
    time: datetime
    year: int


class _Closing:
    """A trade that closes open lots one after the other, until nothing is left of it.

    Attributes:
        left: signed, what is left of the trade; `quantity` and `cost` what is left of the position.
        lots: those that have changed.
    """

    def __init__(self, position: Position, trade: Trade, contract_size: Decimal) -> None:
        self._trade, self._size, self._count = trade, contract_size, position.lot_count
        self.left, self.quantity, self.cost = trade.quantity, position.quantity, position.cost
        self.averaged, self.realized = position.averaged, ZERO
        self.lots: list[Lot] = []

    @property
    def _opposite(self) -> bool:
        return bool(self.left and self.quantity) and (self.quantity > 0) != (self.left > 0)

    def at_own_prices(self, lots: Iterable[Lot]) -> None:
        """Each lot at what it cost."""
        if not self._opposite:
            return
        for lot in lots:
            taken = self._taken(lot)
            gain = taken * (self._trade.price - lot.price) * self._size
            self._take(lot, taken, gain)
            self.cost -= taken * lot.price * self._size
            self.realized += gain
            if not self.left:
                return

    def at_average(self, lots: Iterable[Lot]) -> None:
        """All lots at the average cost of what is open."""
        if not self._opposite:
            return
        quantity = self.quantity
        for lot in lots:
            self._take(lot, self._taken(lot), ZERO)
            if not self.left:
                break
        taken = quantity - self.quantity
        cost = share(self.cost, taken, quantity, PLACES)
        self.cost -= cost
        self.realized += taken * self._trade.price * self._size - cost
        self.averaged = self._count

    def _taken(self, lot: Lot) -> Decimal:
        return lot.remaining if abs(self.left) >= abs(lot.remaining) else -self.left

    def _take(self, lot: Lot, taken: Decimal, gain: Decimal) -> None:
        remaining = lot.remaining - taken
        self.left += taken
        self.quantity -= taken
        self.lots.append(
            replace(
                lot,
                remaining=remaining,
                realized_pnl=lot.realized_pnl + gain,
                closed_at=None if remaining else self._trade.time,
                close_price=None if remaining else self._trade.price,
            )
        )


def book(
    position: Position, trade: Trade, open_lots: Iterable[Lot], matching: Matching, contract_size: Decimal
) -> tuple[Position, list[Lot]]:
    """The position after a trade, and the lots that it opened, changed or closed.

    Args:
        open_lots: all of the position's, oldest first.
    """
    closing = _Closing(position, trade, contract_size)
    close = closing.at_average if matching.pooled else closing.at_own_prices
    close(matching.order(open_lots))
    return _after(position, trade, closing, contract_size)


def unbook(
    position: Position, trade: Trade, open_lots: Iterable[Lot], matching: Matching, contract_size: Decimal
) -> tuple[Position, list[Lot]]:
    """The position after a trade was busted; `trade` is the one to take back.

    The lot that it opened goes first, and at its own price unless its cost has been averaged with others' since.
    """
    lots = list(open_lots)
    own = [lot for lot in lots if lot.lot_id == trade.lot_id]
    others = [lot for lot in lots if lot.lot_id != trade.lot_id]
    taken_back = Trade(
        f"{trade.lot_id}-bust", -trade.quantity, trade.price, -trade.fee, trade.fee_currency, trade.time,
        trade.year,
    )  # fmt: skip
    closing = _Closing(position, taken_back, contract_size)
    if matching.pooled:
        closing.at_own_prices(lot for lot in own if lot.number > position.averaged)
        closing.at_average([*(lot for lot in own if lot.number <= position.averaged), *others])
    else:
        closing.at_own_prices([*own, *matching.order(others)])
    return _after(position, taken_back, closing, contract_size)


def _after(
    position: Position, trade: Trade, closing: _Closing, contract_size: Decimal
) -> tuple[Position, list[Lot]]:
    lots, left, cost, count = closing.lots, closing.left, closing.cost, position.lot_count
    if left:
        count += 1
        lots.append(_open(position, trade, left, count))
        cost += left * trade.price * contract_size
    year = max(position.year, trade.year)
    in_year = position.realized_in_year if year == position.year else ZERO
    after = replace(
        position,
        quantity=position.quantity + trade.quantity,
        cost=cost,
        realized_pnl=position.realized_pnl + closing.realized,
        fees=_add_fee(position.fees, trade.fee_currency, trade.fee),
        lot_count=count,
        averaged=closing.averaged,
        year=year,
        realized_in_year=in_year + closing.realized if trade.year == year else in_year,
        updated_at=trade.time,
    )
    return after, lots


def _open(position: Position, trade: Trade, quantity: Decimal, number: int) -> Lot:
    return Lot(
        lot_id=trade.lot_id,
        fund_id=position.fund_id,
        symbol=position.symbol,
        number=number,
        quantity=quantity,
        remaining=quantity,
        price=trade.price,
        opened_at=trade.time,
    )


def _add_fee(
    fees: tuple[tuple[str, Decimal], ...], currency: str | None, fee: Decimal
) -> tuple[tuple[str, Decimal], ...]:
    if not fee or currency is None:
        return fees
    sums = dict(fees)
    sums[currency] = sums.get(currency, ZERO) + fee
    return tuple(sorted(sums.items()))
