"""Which orders end when."""

from datetime import datetime
from heapq import heappop, heappush

from ordergate.adapters.brokers.paper.orders import VenueOrder


class Expiries:
    """The ends of orders that time ends, the nearest first. An order may have ended before its turn comes."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int]] = []

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
