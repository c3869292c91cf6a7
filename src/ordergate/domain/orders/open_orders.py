"""Which orders may close a position, and which a halt would cancel: so that a look costs what it finds, however many
orders are open.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

from ordergate.domain.identifiers import MOST_REQUESTS
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import TERMINAL, UNSENT, WORKING, Delay, Phase, RequestKind, State

Name = TypeVar("Name")

Line = tuple[str, str, int]
"""Fund, symbol, and the sign of the side."""


class Group(NamedTuple):
    """What a halt tells orders apart by: it stops all of a group, or none."""

    fund_id: str
    symbol: str
    sign: int
    broker: str
    strategy_id: str | None


def group_of(order: Order) -> Group:
    """The group that an order is told by."""
    return Group(order.fund_id, order.symbol, order.side.sign, order.broker, order.strategy_id)


class OpenOrders:
    """Ids of open orders; told of every order as it was and is."""

    __slots__ = ("_closing", "_refused", "_stoppable")

    def __init__(self) -> None:
        self._closing: dict[Line, dict[str, None]] = {}
        self._stoppable: dict[Group, dict[str, None]] = {}
        self._refused: dict[str, None] = {}

    def closing(self, fund_id: str, symbol: str, sign: int) -> Iterable[str]:
        """Those that may still trade on a side of a symbol and protect nothing."""
        return self._closing.get((fund_id, symbol, sign), ())

    def stoppable(self) -> Iterator[tuple[Group, Iterable[str]]]:
        """Those that a halt can cancel: they never left, or work and no cancel is on its way."""
        yield from self._stoppable.items()

    def refused(self) -> Iterable[str]:
        """Those of them that a broker has refused to cancel under a halt, which may be lifted by now."""
        return self._refused

    def order_changed(self, before: Order | None, after: Order | None) -> None:
        """An order came, changed or went."""
        if before is not None and after is not None and before.broker != after.broker:
            self.order_changed(before, None)  # it is in another group from here on
            before = None
        if before is None and after is not None and after.state in WORKING and after.overdue is None:
            self._file_as_new(after)  # as each does that is loaded
            return
        if before is None or after is None or before.state is not after.state:
            self._file_as_closing(before, after)
        elif before.requests is after.requests and before.overdue is after.overdue:
            return  # all that counts here is as it was
        self._file_as_stoppable(before, after)

    def _file_as_new(self, order: Order) -> None:
        if _may_close(order):
            line = order.fund_id, order.symbol, order.side.sign
            self._closing.setdefault(line, {})[order.order_id] = None
        if _can_be_stopped(order):
            self._stoppable.setdefault(group_of(order), {})[order.order_id] = None

    def _file_as_closing(self, before: Order | None, after: Order | None) -> None:
        order, closes = after or before, after is not None and _may_close(after)
        if order is not None and closes != (before is not None and _may_close(before)):
            _move(self._closing, (order.fund_id, order.symbol, order.side.sign), order.order_id, there=closes)

    def _file_as_stoppable(self, before: Order | None, after: Order | None) -> None:
        order, stops = after or before, after is not None and _can_be_stopped(after)
        if order is None:
            return
        if stops != (before is not None and _can_be_stopped(before)):
            _move(self._stoppable, group_of(order), order.order_id, there=stops)
        if stops and order.overdue and order.noticed(Delay.NOT_CANCELED):
            self._refused[order.order_id] = None
        elif self._refused:
            self._refused.pop(order.order_id, None)


def _move(ids_of: dict[Name, dict[str, None]], name: Name, order_id: str, *, there: bool) -> None:
    if there:
        ids_of.setdefault(name, {})[order_id] = None
        return
    ids = ids_of[name]
    del ids[order_id]
    if not ids:
        del ids_of[name]


def _may_close(order: Order) -> bool:
    whole = not order.guards and order.slice is None  # a parent counts with its children
    return whole and order.state is not State.CREATED and order.state not in TERMINAL


def _can_be_stopped(order: Order) -> bool:
    if order.state not in WORKING:
        return order.state in UNSENT
    cancel = order.open_request(RequestKind.CANCEL)
    return order.request_count < MOST_REQUESTS if cancel is None else cancel.phase is Phase.PARKED
