"""OPG orders before their opening: outside the book, until the first market of the session that they wait for."""

from datetime import datetime
from heapq import heappop, heappush

from ordergate.adapters.brokers.paper.orders import VenueOrder


class Openings:
    """The waiting orders of all symbols."""

    def __init__(self) -> None:
        self._waiting: dict[str, dict[int, tuple[datetime, VenueOrder]]] = {}
        self._heap: list[tuple[datetime, str]] = []

    def add(self, order: VenueOrder, opening: datetime) -> None:
        """Lets an order wait for that instant."""
        self._waiting.setdefault(order.symbol, {})[order.number] = (opening, order)
        heappush(self._heap, (opening, order.symbol))

    def remove(self, order: VenueOrder) -> bool:
        """Takes an order out; whether it waited."""
        return self._waiting.get(order.symbol, {}).pop(order.number, None) is not None

    @property
    def next(self) -> datetime | None:
        """The nearest opening that has not been seen to pass."""
        return self._heap[0][0] if self._heap else None

    def passed(self, until: datetime) -> list[str]:
        """The symbols of openings up to `until`, each told once."""
        symbols: dict[str, None] = {}
        while self._heap and self._heap[0][0] <= until:
            symbols[heappop(self._heap)[1]] = None
        return list(symbols)

    def take(self, symbol: str, at: datetime) -> list[VenueOrder]:
        """Takes out the orders of a symbol whose opening has come by `at`, the earlier order first."""
        waiting = self._waiting.get(symbol, {})
        numbers = sorted(number for number, (opening, _order) in waiting.items() if opening <= at)
        return [waiting.pop(number)[1] for number in numbers]
