"""What was traded in a broker's account by our record: positions and money, over all funds."""

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from ordergate.domain.instruments import Instrument
from ordergate.domain.money import ZERO, plain
from ordergate.domain.orders.executions import Fill


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
    """What a fill, or (-1) one that is taken back, moves in the account."""
    quantity = fill.quantity * fill.side.sign * sign
    moved = [
        (HoldingKind.POSITION, fill.symbol, quantity),
        (HoldingKind.CASH, instrument.currency, -quantity * fill.price * instrument.contract_size),
    ]
    if fill.fee and fill.fee_currency is not None:
        moved.append((HoldingKind.CASH, fill.fee_currency, -fill.fee * sign))
    return tuple(moved)
