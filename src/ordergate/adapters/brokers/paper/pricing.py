"""What a fill costs."""

from decimal import Decimal
from typing import Final

from ordergate.domain.instruments import Instrument
from ordergate.domain.money import DIGITS, divide, plain

_BPS: Final = -4
_ONE: Final = Decimal(1)
_BASIS_POINTS: Final = Decimal(10_000)


def fill_price(
    quoted: Decimal, sign: int, slippage_bps: Decimal, tick: Decimal, limit: Decimal | None
) -> Decimal:
    """The quoted price, slipped against an order of side `sign`, on the tick, never through its limit."""
    if not slippage_bps:
        return quoted
    slipped = quoted * (_ONE + sign * slippage_bps.scaleb(_BPS))
    beyond = slipped % tick
    price = slipped - beyond
    if sign > 0:
        price = price + tick if beyond else price
        return plain(price if limit is None else min(price, limit))
    price = max(price, tick)
    return plain(price if limit is None else max(price, limit))


def fill_fee(quantity: Decimal, price: Decimal, fee_bps: Decimal, instrument: Instrument) -> Decimal:
    """The fee of a fill in the instrument's currency, to the 18 places that the doors take."""
    if not fee_bps:
        return fee_bps
    return divide(quantity * price * instrument.contract_size * fee_bps, _BASIS_POINTS, DIGITS)
