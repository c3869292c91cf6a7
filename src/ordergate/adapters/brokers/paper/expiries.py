"""Which DAY orders end when."""

from datetime import datetime
from heapq import heappop, heappush

from ordergate.adapters.brokers.paper.orders import VenueOrder
from ordergate.adapters.calendars import session_end
from ordergate.domain.instruments import AssetClass, Instrument


class Expiries:
    """The ends of DAY orders, the nearest first. An order may have ended before its turn comes."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int]] = []
        # A session's end holds for all its asset class and for every entry between the one asked for and it.
        self._sessions: dict[AssetClass, tuple[datetime, datetime]] = {}

    def end_of(self, instrument: Instrument, at: datetime) -> datetime:
        """When a DAY order entered at `at` ends."""
        known = self._sessions.get(instrument.asset_class)
        if known is not None and known[0] <= at < known[1]:
            return known[1]
        end = session_end(instrument, at)
        self._sessions[instrument.asset_class] = (at, end)
        return end

    def add(self, order: VenueOrder) -> None:
        """Watches an order, if it has an end."""
        if order.expires is not None:
            heappush(self._heap, (order.expires, order.number))

    @property
    def next(self) -> datetime | None:
        """The nearest end."""
        return self._heap[0][0] if self._heap else None

    def due(self, until: datetime) -> list[int]:
        """Takes out the numbers of the orders that end up to `until`, in order."""
        numbers = []
        while self._heap and self._heap[0][0] <= until:
            numbers.append(heappop(self._heap)[1])
        return numbers
