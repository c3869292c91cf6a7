"""When a market order is too large to be sent at once, and what of it is: pure, from the case before the gate."""

from decimal import Decimal
from typing import Final

from ordergate.domain.algos.schedule import Steps, most_at_once
from ordergate.domain.algos.terms import AlgoTerms, SplitTerms
from ordergate.domain.algos.vwap import vwap_terms
from ordergate.domain.algos.working import planned
from ordergate.domain.instruments import Instrument
from ordergate.domain.orders.states import OrderType, TimeInForce

WORKED: Final = (TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD)
"""Times in force that leave time to work an order; the others say at once, or at one moment, or not at all."""


def may_be_split(order_type: OrderType, tif: TimeInForce) -> bool:
    """Whether an order is of those that are worked in slices where they are large."""
    return order_type is OrderType.MARKET and tif in WORKED


def algo_of(terms: SplitTerms, quantity: Decimal, worth: Decimal, instrument: Instrument) -> AlgoTerms | None:
    """How an order is worked; None where it is sent at once: it is not worth so much, or cannot be divided.

    Args:
        worth: in the fund's currency.
    """
    if worth <= terms.above:
        return None
    algo = vwap_terms(quantity, terms.horizon_minutes, steps_of(instrument))
    return algo if algo.slices > 1 else None


def sent_at_once(quantity: Decimal, algo: AlgoTerms | None, instrument: Instrument) -> Decimal:
    """The most that leaves in one order, in the instrument's unit."""
    return quantity if algo is None else most_at_once(planned(quantity, algo, instrument.lot_step))


def steps_of(instrument: Instrument) -> Steps:
    """The quantities that may be traded of it."""
    return Steps(instrument.lot_step, instrument.minimum)
