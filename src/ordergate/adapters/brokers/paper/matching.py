"""Price-time matching of one symbol's orders against quotes: no I/O, no clock.

Buys trade at the ask, sells at the bid, at that price and up to that size; what an order takes of a size is
gone until the next quote. Market orders come first, then the better limit, then the earlier order. A stop
waits outside the ladders until the price that it would trade at reaches it; then it joins as the latest.

Every call returns its steps in the order in which they happened. Numbers are computed in the caller's decimal
context, which should be an exact one.
"""

from bisect import bisect_left, insort
from decimal import Decimal
from typing import Final

from msgspec import Struct

from ordergate.adapters.brokers.paper.orders import VenueOrder
from ordergate.adapters.brokers.paper.pricing import fill_price
from ordergate.domain.instruments import Instrument
from ordergate.domain.market import Quote
from ordergate.domain.money import ZERO, plain
from ordergate.domain.orders.states import TimeInForce

_FIRST: Final = Decimal("-Infinity")
Entry = tuple[Decimal, int, VenueOrder]


class Trade(Struct, frozen=True, gc=False):
    """An order got `quantity` at `price`; `number` counts its fills, `completes` says it was the last."""

    order: VenueOrder
    quantity: Decimal
    price: Decimal
    number: int
    completes: bool
    quote: Quote


class Trigger(Struct, frozen=True, gc=False):
    """An order's stop was reached."""

    order: VenueOrder


class Kill(Struct, frozen=True, gc=False):
    """An order that may not rest could not trade, or not all of it; it is out of the book."""

    order: VenueOrder


Step = Trade | Trigger | Kill


class Book:
    """The working orders and the live quote of one symbol.

    Attributes:
        instrument: None where nobody knows the symbol any more; then nothing trades.
        left: what is left of the quote's sizes, for buyers (+1) and sellers (-1); None is unlimited.
    """

    def __init__(self, instrument: Instrument | None, slippage_bps: Decimal = ZERO) -> None:
        self.instrument = instrument
        self.quote: Quote | None = None
        self.left: dict[int, Decimal | None] = {1: None, -1: None}
        self._slippage_bps = slippage_bps
        self._ladders: dict[int, list[Entry]] = {1: [], -1: []}
        self._stops: dict[int, list[Entry]] = {1: [], -1: []}
        self._latest = 0

    def set_quote(self, quote: Quote) -> list[Step]:
        """A new quote, with fresh sizes, and what it makes happen."""
        self.restore_quote(quote, quote.bid_size, quote.ask_size)
        steps: list[Step] = []
        for sign in (1, -1):
            self._match(sign, [], steps)
        return steps

    def restore_quote(self, quote: Quote, bid_left: Decimal | None, ask_left: Decimal | None) -> None:
        """A quote as it stood, some of its sizes used up; nothing happens."""
        self.quote = quote
        self.left = {1: self._whole_lots(ask_left), -1: self._whole_lots(bid_left)}

    def enter(self, order: VenueOrder) -> list[Step]:
        """A new order, or one that has lost its place in time, and what it makes happen."""
        self._join(order)
        steps: list[Step] = []
        self._match(order.side.sign, [order] if order.fleeting and order.triggered else [], steps)
        return steps

    def restore(self, order: VenueOrder) -> None:
        """An order as it stood; nothing happens."""
        self._latest = max(self._latest, order.priority)
        ladder, entry = self._place(order)
        insort(ladder, entry)

    def remove(self, order: VenueOrder) -> None:
        """Takes a working order out. Its price and priority must be those that it was entered with."""
        ladder, entry = self._place(order)
        del ladder[bisect_left(ladder, entry)]

    def _join(self, order: VenueOrder) -> None:
        self._latest += 1
        order.priority = self._latest
        self.restore(order)

    def _place(self, order: VenueOrder) -> tuple[list[Entry], Entry]:
        sign = order.side.sign
        if not order.triggered and order.stop_price is not None:
            return self._stops[sign], (sign * order.stop_price, order.priority, order)
        rank = _FIRST if order.limit_price is None else -sign * order.limit_price
        return self._ladders[sign], (rank, order.priority, order)

    def _whole_lots(self, size: Decimal | None) -> Decimal | None:
        if size is None or self.instrument is None:
            return size
        return plain(size - size % self.instrument.lot_step)

    def _match(self, sign: int, fleeting: list[VenueOrder], steps: list[Step]) -> None:
        if self.quote is not None and self.instrument is not None:
            price = self.quote.ask if sign > 0 else self.quote.bid
            fleeting += self._trigger(sign, price, steps)
            self._walk(sign, price, self.quote, self.instrument, steps)
        for order in fleeting:
            if order.leaves:
                self.remove(order)
                steps.append(Kill(order))

    def _trigger(self, sign: int, price: Decimal, steps: list[Step]) -> list[VenueOrder]:
        stops, fleeting = self._stops[sign], []
        while stops and sign * price >= stops[0][0]:
            order = stops.pop(0)[2]
            order.triggered = True
            self._join(order)
            steps.append(Trigger(order))
            if order.fleeting:
                fleeting.append(order)
        return fleeting

    def _walk(
        self, sign: int, price: Decimal, quote: Quote, instrument: Instrument, steps: list[Step]
    ) -> None:
        ladder, at = self._ladders[sign], 0
        while at < len(ladder):
            order, left = ladder[at][2], self.left[sign]
            limit, leaves = order.limit_price, order.leaves
            if left is not None and left <= 0:
                return
            if limit is not None and (price > limit if sign > 0 else price < limit):
                return
            if left is not None and left < leaves:
                if order.tif is TimeInForce.FOK:
                    at += 1  # all or nothing: the size is left to those behind it
                    continue
                leaves = left
            if left is not None:
                self.left[sign] = plain(left - leaves)
            order.filled = plain(order.filled + leaves)
            order.fills += 1
            completes = not order.leaves
            if completes:
                del ladder[at]
            paid = fill_price(price, sign, self._slippage_bps, instrument.tick, limit)
            steps.append(Trade(order, leaves, paid, order.fills, completes, quote))
