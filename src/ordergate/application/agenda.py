"""Which orders are to be looked at when; the nearest moment first."""

from datetime import datetime
from heapq import heappop, heappush


class Agenda:
    """One moment for each order: a later word on it replaces an earlier one."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, str]] = []
        self._moments: dict[str, datetime] = {}

    def put(self, order_id: str, at: datetime | None) -> None:
        """Looks at an order then; None is not at all."""
        if at is None:
            self._moments.pop(order_id, None)
        elif self._moments.get(order_id) != at:
            self._moments[order_id] = at
            heappush(self._heap, (at, order_id))

    @property
    def next(self) -> datetime | None:
        """The nearest moment."""
        while self._heap and self._moments.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: datetime) -> list[str]:
        """Takes out the orders whose moment has come, in order."""
        found = []
        while (at := self.next) is not None and at <= now:
            order_id = heappop(self._heap)[1]
            del self._moments[order_id]
            found.append(order_id)
        return found
