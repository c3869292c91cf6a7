"""What is told of a session, and what an earlier one had told already.

A cursor is a place in the events: `STREAM:N`. The events are read from their beginning by every session, for what is
known of orders, and told from the cursor on; where they do not have it any more, all of them are told.
"""

from msgspec.structs import replace

from ordergate.application.ports.brokers import Sink
from ordergate.domain.orders.reports import AnyReport


class Telling:
    """To one sink.

    Attributes:
        stream: of the cursor; "" where there was none.
        lost: the events do not go on from the cursor.
    """

    def __init__(self, sink: Sink, cursor: str | None) -> None:
        self._sink = sink
        stream, _colon, number = (cursor or "").rpartition(":")
        good = bool(stream) and number.isascii() and number.isdecimal()
        self.stream, self._n = (stream, int(number)) if good else ("", 0)
        self._begun = not good
        self._reached = self.lost = False
        self._silent: list[AnyReport] = []

    def pass_on(self, reports: list[AnyReport], stream: str, n: int) -> None:
        """Tells what an event says, if it was not told before."""
        with_cursor = [replace(report, cursor=f"{stream}:{n}") for report in reports]
        if not self._begun and stream == self.stream:
            self.lost = self.lost or (not self._reached and n > self._n + 1)
            self._reached = True
            self._silent.clear()
            if n <= self._n:
                return
        if not self._begun and not self._reached:
            self._silent += with_cursor
            return
        self._begun = True
        self.tell(with_cursor)

    def all_read(self) -> None:
        """There are no more events now."""
        if not self._begun and not self._reached:
            self.lost = True
            self._begun = True
            self.tell(self._silent)
            self._silent = []

    def tell(self, reports: list[AnyReport]) -> None:
        """Tells them."""
        for report in reports:
            self._sink.report(report)
