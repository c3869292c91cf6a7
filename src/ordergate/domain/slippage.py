"""Slippage: how much worse a fill was than a benchmark. Positive is adverse, for buys and sells alike.

    bps  = sign * (price - benchmark) / benchmark * 10,000
    pips = sign * (price - benchmark) / pip size

sign is +1 for a buy and -1 for a sale. Source of the sign: implementation shortfall (Perold, 1988), a cost.
"""

from decimal import Decimal

from msgspec import Struct

from ordergate.domain.money import divide
from ordergate.domain.orders.states import Side

_BPS_PLACES, _PIP_PLACES = 4, 4


class Slippage(Struct, frozen=True, gc=False):
    """Against one benchmark; None where there is no benchmark or no pip."""

    bps: Decimal | None = None
    pips: Decimal | None = None


def slippage(side: Side, price: Decimal, benchmark: Decimal | None, pip_size: Decimal | None) -> Slippage:
    """Of a fill at `price` against `benchmark`, to four places."""
    if benchmark is None:
        return Slippage()
    adverse = (price - benchmark) * side.sign
    return Slippage(
        bps=divide(adverse * 10_000, benchmark, _BPS_PLACES) if benchmark else None,
        pips=divide(adverse, pip_size, _PIP_PLACES) if pip_size else None,
    )
