"""How much was asked within the last second, and what was asked for lately: counted from the events themselves.

Each node counts what every node has journalled, so all count the same. Nothing of it outlives a restart: the windows
are seconds long.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.order import Order
from ordergate.domain.risk.limits import Scope

SECOND: Final = timedelta(seconds=1)
Fingerprint = tuple[str, str, str, Decimal, Decimal | None, Decimal | None, str | None]


class Window:
    """Moments within a span before now."""

    __slots__ = ("_span", "_times")

    def __init__(self, span: timedelta = SECOND) -> None:
        self._span = span
        self._times: deque[datetime] = deque()

    def add(self, at: datetime) -> None:
        """One more."""
        self._forget(at)
        self._times.append(at)

    def count(self, now: datetime) -> int:
        """How many lie within the span before now."""
        self._forget(now)
        return len(self._times)

    def drop_last(self) -> None:
        """The last one was none."""
        if self._times:
            self._times.pop()

    def _forget(self, now: datetime) -> None:
        times, oldest = self._times, now - self._span
        while times and times[0] <= oldest:
            times.popleft()


class Traffic:
    """New orders and messages by scope, and which orders were made lately."""

    def __init__(self) -> None:
        self._orders: dict[Scope, Window] = {}
        self._messages: dict[Scope, Window] = {}
        self._lately: OrderedDict[Fingerprint, tuple[datetime, datetime]] = OrderedDict()
        self._undo: list[Callable[[], object]] = []

    def order_made(self, at: datetime, scopes: Iterable[Scope]) -> None:
        """An order was let through: it counts as an order and as a message."""
        self._add(self._orders, scopes, at)
        self._add(self._messages, scopes, at)

    def _add(self, windows: dict[Scope, Window], scopes: Iterable[Scope], at: datetime) -> None:
        for scope in scopes:
            window = windows.get(scope)
            if window is None:
                window = windows[scope] = Window()
            window.add(at)
            self._undo.append(window.drop_last)

    def remember(self, order: Order, at: datetime, how_long_s: int) -> None:
        """An order was let through: the same again is a duplicate so long."""
        lately, what = self._lately, same_as(order)
        before = lately.pop(what, None)
        lately[what] = (
            at,
            at + timedelta(seconds=how_long_s),
        )  # each for its own window: another's may be shorter
        self._undo.append(lambda: lately.pop(what) if before is None else lately.update({what: before}))
        while next(iter(lately.values()))[1] <= at:
            lately.popitem(last=False)

    def message_sent(self, at: datetime, scopes: Iterable[Scope]) -> None:
        """A replace or cancel was asked for."""
        self._add(self._messages, scopes, at)

    def mark(self) -> int:
        """A point to undo to."""
        return len(self._undo)

    def undo(self, mark: int = 0) -> None:
        """Back to a point."""
        while len(self._undo) > mark:
            self._undo.pop()()

    def settle(self) -> None:
        """What was counted stays."""
        self._undo.clear()

    def orders(self, scope: Scope, now: datetime) -> int:
        """New orders within the last second."""
        window = self._orders.get(scope)
        return 0 if window is None else window.count(now)

    def messages(self, scope: Scope, now: datetime) -> int:
        """New orders, replaces and cancels within the last second."""
        window = self._messages.get(scope)
        return 0 if window is None else window.count(now)

    def last_made(self, what: Fingerprint) -> datetime | None:
        """When the same order was made last."""
        made = self._lately.get(what)
        return None if made is None else made[0]


def same_as(order: Order | SubmitOrder) -> Fingerprint:
    """What makes two orders duplicates, whatever their keys."""
    return (
        order.fund_id, order.symbol, order.side, order.quantity, order.limit_price, order.stop_price,
        order.strategy_id,
    )  # fmt: skip
