"""Slippage: how much worse a fill was than a benchmark. Positive is adverse, for buys and sells alike.

    bps  = sign * (price - benchmark) / benchmark * 10,000
    pips = sign * (price - benchmark) / pip size

sign is +1 for a buy and -1 for a sale. Source of the sign: implementation shortfall (Perold, 1988), a cost.
"""

from decimal import Decimal, localcontext

from msgspec import Struct

from ordergate.domain.instruments import Instrument
from ordergate.domain.market import mid
from ordergate.domain.money import EXACT, ONE, divide, plain
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.order import Order
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


class MaxSlippage(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """How much slippage is borne, in basis points or pips; None of both is any."""

    bps: Decimal | None = None
    pips: Decimal | None = None

    def exceeded_by(self, slip: Slippage) -> bool:
        """Whether a slippage is more than that."""
        return _above(slip.bps, self.bps) or _above(slip.pips, self.pips)


def _above(value: Decimal | None, most: Decimal | None) -> bool:
    return value is not None and most is not None and value > most


def max_slippage_of(order: Order | SubmitOrder) -> MaxSlippage | None:
    """What the order bears; None where it says nothing."""
    if order.max_slippage_bps is None and order.max_slippage_pips is None:
        return None
    return MaxSlippage(bps=order.max_slippage_bps, pips=order.max_slippage_pips)


def arrival_mid(order: Order) -> Decimal | None:
    """The mid when the order was created; None without a quote."""
    if order.arrival_bid is None or order.arrival_ask is None:
        return None
    return mid(order.arrival_bid, order.arrival_ask)


def bound_at(reference: Decimal, side: Side, most: MaxSlippage, instrument: Instrument) -> Decimal | None:
    """The worst price that bears no more than `most` against `reference`, on the tick, in the quote currency.

    None where there is none: it would be at zero or below, or `most` is in pips of an instrument that has none.
    """
    with localcontext(EXACT):
        distances = []
        if most.bps is not None:
            distances.append(reference * most.bps / 10_000)
        if most.pips is not None and instrument.pip_size is not None:
            distances.append(most.pips * instrument.pip_size)
        if not distances:
            return None
        worst = reference + side.sign * min(distances)
        if worst <= 0:
            return None
        ticks = worst // instrument.tick
        if side.sign < 0 and worst % instrument.tick:
            ticks += ONE
        bound = plain(ticks * instrument.tick)
    return bound if bound > 0 else None


def price_bound(order: Order, instrument: Instrument) -> Decimal | None:
    """The worst price that the order may trade at, by its own slippage and the mid when it was created."""
    most, reference = max_slippage_of(order), arrival_mid(order)
    if most is None or reference is None:
        return None
    return bound_at(reference, order.side, most, instrument)
