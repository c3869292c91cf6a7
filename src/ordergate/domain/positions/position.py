"""Positions: a fill closes what is open on the other side, lot by lot, then opens with the rest.

Total cost is kept, never an average: an average drifts (27th digit after 100,000 buys) and replay would not
be equal. A bust takes back the lot that its fill opened, as far as that is still open; what other fills have
closed of it since is booked against the lots that are open now, for lots follow the journal.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from ordergate.domain.money import ZERO, divide
from ordergate.domain.positions.lots import Lot, LotOrder


class Position(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What a fund holds of a symbol.

    Attributes:
        quantity: signed, in the instrument's unit; below zero is short.
        cost: signed, in the instrument's currency: sum over open lots of remaining x price x contract size.
        realized_pnl: in the instrument's currency, fees apart.
        fees: per currency, paid is positive.
        oldest_open: number below which no lot is open.
        lot_count: lots ever opened.
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
    """What a position needs to know of a fill: `quantity` is signed."""

    lot_id: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str | None
    time: datetime


OpenLots = Callable[[Position], Iterable[Lot]]


def book(
    position: Position, trade: Trade, open_lots: Iterable[Lot], order: LotOrder, contract_size: Decimal
) -> tuple[Position, list[Lot]]:
    """The position after a trade, and the lots that it opened, changed or closed."""
    left, realized, cost, changed = trade.quantity, ZERO, position.cost, []
    if position.quantity and (position.quantity > 0) != (trade.quantity > 0):
        for lot in order(open_lots):
            closed = _take(lot, left, trade.price, contract_size, trade.time)
            taken = lot.remaining - closed.remaining
            cost -= taken * lot.price * contract_size
            realized += closed.realized_pnl - lot.realized_pnl
            left += taken
            changed.append(closed)
            if not left:
                break
    count = position.lot_count
    if left:
        count += 1
        changed.append(_open(position, trade, left, count))
        cost += left * trade.price * contract_size
    after = replace(
        position,
        quantity=position.quantity + trade.quantity,
        cost=cost,
        realized_pnl=position.realized_pnl + realized,
        fees=_add_fee(position.fees, trade.fee_currency, trade.fee),
        lot_count=count,
        updated_at=trade.time,
    )
    return after, changed


def unbook(
    position: Position, trade: Trade, open_lots: Iterable[Lot], order: LotOrder, contract_size: Decimal
) -> tuple[Position, list[Lot]]:
    """The position after a trade was busted; `trade` is the one to take back."""
    lots = list(open_lots)
    own = [lot for lot in lots if lot.lot_id == trade.lot_id]
    others = [lot for lot in lots if lot.lot_id != trade.lot_id]
    reversed_trade = Trade(
        f"{trade.lot_id}-bust", -trade.quantity, trade.price, -trade.fee, trade.fee_currency, trade.time
    )
    return book(position, reversed_trade, [*own, *order(others)], iter, contract_size)


def _take(lot: Lot, left: Decimal, price: Decimal, contract_size: Decimal, time: datetime) -> Lot:
    taken = lot.remaining if abs(left) >= abs(lot.remaining) else -left
    remaining = lot.remaining - taken
    return replace(
        lot,
        remaining=remaining,
        realized_pnl=lot.realized_pnl + taken * (price - lot.price) * contract_size,
        closed_at=None if remaining else time,
        close_price=None if remaining else price,
    )


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


def open_numbers(position: Position) -> Iterator[int]:
    """The numbers that open lots can have, oldest first."""
    return iter(range(position.oldest_open, position.lot_count + 1))
