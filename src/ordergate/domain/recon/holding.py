"""What was traded in a broker's account by our record: positions and money, over all funds."""

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from ordergate.domain.instruments import TOKEN, Instrument
from ordergate.domain.money import ZERO, plain
from ordergate.domain.orders.executions import Fill
from ordergate.domain.positions.ledger import BASE_TOKEN


class HoldingKind(StrEnum):
    """Of a symbol, or of a currency."""

    POSITION = "position"
    CASH = "cash"


class AccountHolding(Struct, frozen=True, gc=False, kw_only=True):
    """One figure of an account, in plain form.

    Attributes:
        name: the symbol or currency.
        quantity: signed, in the instrument's unit, or money: what trades and fees have moved.
    """

    broker: str
    kind: HoldingKind
    name: str
    quantity: Decimal = ZERO

    def plus(self, quantity: Decimal) -> "AccountHolding":
        """So much more."""
        total = plain(self.quantity + quantity)
        return AccountHolding(broker=self.broker, kind=self.kind, name=self.name, quantity=total)


Moved = tuple[tuple[HoldingKind, str, Decimal], ...]


def moved_by(fill: Fill, instrument: Instrument, sign: int = 1) -> Moved:
    """What a fill, or (-1) one that is taken back, moves in the account: a position by its quantity, and money.

    Of deltas that the broker has told, those of the account's own plain tokens are money.
    """
    moved: list[tuple[HoldingKind, str, Decimal]] = []
    if not instrument.symbol.startswith(TOKEN):
        quantity = fill.quantity * fill.side.sign * sign
        moved.append((HoldingKind.POSITION, fill.symbol, quantity))
        if fill.told is None and not instrument.perpetual:
            paid = -quantity * fill.price * instrument.contract_size
            moved.append((HoldingKind.CASH, instrument.currency, paid))
    moved += [
        (HoldingKind.CASH, name, amount)
        for broker, name, amount in _money(fill, sign)
        if broker == fill.broker
    ]
    if fill.fee and fill.fee_currency is not None:
        moved.append((HoldingKind.CASH, fill.fee_currency, -fill.fee * sign))
    return tuple(moved)


def moved_elsewhere(fill: Fill, sign: int = 1) -> tuple[tuple[str, str, Decimal], ...]:
    """What it moves of money in other accounts: broker, currency and amount."""
    return tuple([one for one in _money(fill, sign) if one[0] != fill.broker]) if fill.told else ()


def _money(fill: Fill, sign: int) -> Iterator[tuple[str, str, Decimal]]:
    for delta in fill.told or ():
        broker, kind, name = delta.position_key.split(":", 2)
        if kind == BASE_TOKEN:
            yield broker, name, delta.amount * sign
