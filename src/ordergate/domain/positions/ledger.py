"""The ledger: every fill moves balances, one delta each; a balance is the sum of its deltas.

What a broker tells of the balances that an execution has moved is booked as told.

An adjustment is one delta: of a position that of what is held, of money that of the currency. So balances stay what the
broker has, whatever price a position was booked at.

`position_key` is `venue:type:symbol`. What is bought and what is paid with are BaseTokens of the venue; a fee
is a delta of its own.
"""

from decimal import Decimal
from typing import Final

from msgspec import Struct

from ordergate.domain.instruments import Instrument
from ordergate.domain.orders.executions import Delta, Fill

PERP: Final = "Perp"
BASE_TOKEN: Final = "BaseToken"  # noqa: S105  (no secret: the kind of an asset)


class Balance(Struct, frozen=True, gc=False, kw_only=True):
    """What a fund has under one position key."""

    fund_id: str
    position_key: str
    amount: Decimal


def position_key(venue: str, symbol: str, kind: str = BASE_TOKEN) -> str:
    """`venue:type:symbol`."""
    return f"{venue}:{kind}:{symbol}"


def perpetual_name(symbol: str) -> str:
    """Of a perpetual in position keys: `BTCUSDT` of `BTC/USDT:USDT`."""
    return symbol.partition(":")[0].replace("/", "")


def deltas(fill: Fill, quantity: Decimal, instrument: Instrument) -> tuple[Delta, ...]:
    """What a fill of `quantity` (in the instrument's unit, unsigned) does to balances."""
    moved = fill.told if fill.told is not None else _traded(fill, quantity, instrument)
    if not fill.fee or fill.fee_currency is None:
        return moved
    return (*moved, Delta(position_key(fill.broker, fill.fee_currency), -fill.fee, "fee"))


def _traded(fill: Fill, quantity: Decimal, instrument: Instrument) -> tuple[Delta, ...]:
    """By quantity and price; a perpetual is not paid for, and settled as the broker tells."""
    amount = quantity * instrument.contract_size * fill.side.sign
    if instrument.perpetual:
        return (Delta(position_key(fill.broker, perpetual_name(fill.symbol), PERP), amount, "trade"),)
    return (
        Delta(position_key(fill.broker, instrument.base), amount, "trade"),
        Delta(position_key(fill.broker, instrument.currency), -amount * fill.price, "trade"),
    )
