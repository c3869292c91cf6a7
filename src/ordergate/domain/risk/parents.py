"""What parents may still fill beside their children, so that a quantity that is worked in slices counts once.

A child counts as any order does; its parent with what is not on its way.
"""

from collections.abc import Iterable
from decimal import Decimal

from ordergate.domain.money import ZERO
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import TERMINAL
from ordergate.domain.risk.reserving import reserved


class Parents:
    """Parents and children that have not ended; told of every order as it was and is.

    Attributes:
        any: whether there ever was one in memory.
    """

    __slots__ = ("_children", "_left", "_taken", "any")

    def __init__(self) -> None:
        self._left: dict[str, tuple[Decimal, Decimal]] = {}
        self._taken: dict[str, Decimal] = {}
        self._children: dict[str, dict[str, None]] = {}
        self.any = False

    def children(self, parent_id: str) -> Iterable[str]:
        """Ids of a parent's children that have not ended."""
        return self._children.get(parent_id, ())

    def on_its_way(self, parent_id: str) -> Decimal:
        """What they may still fill."""
        return self._taken.get(parent_id, ZERO)

    def order_changed(self, before: Order | None, after: Order | None) -> tuple[Decimal, Decimal]:
        """An order came, changed or went: how much more its parent, or it as a parent, may fill beside the children.

        With the worth of that at the parent's price.
        """
        parent_id = _parent_of(before) or _parent_of(after)
        if parent_id is None:
            return ZERO, ZERO
        self.any = True
        was = self._beside(parent_id)
        if before is not None:
            self._drop(before)
        if after is not None:
            self._take(after, parent_id)
        now = self._beside(parent_id)
        return now[0] - was[0], now[1] - was[1]

    def _beside(self, parent_id: str) -> tuple[Decimal, Decimal]:
        known = self._left.get(parent_id)
        if known is None:
            return ZERO, ZERO
        left = max(known[0] - self._taken.get(parent_id, ZERO), ZERO)
        return left, left * known[1]

    def _take(self, order: Order, parent_id: str) -> None:
        if order.state in TERMINAL:
            return
        if order.algo is not None:
            self._left[parent_id] = reserved(order)[0], order.reference_price or ZERO
        elif order.slice is not None:
            self._children.setdefault(parent_id, {})[order.order_id] = None
            self._taken[parent_id] = self._taken.get(parent_id, ZERO) + reserved(order)[0]

    def _drop(self, order: Order) -> None:
        if order.state in TERMINAL:
            return
        if order.algo is not None:
            self._left.pop(order.order_id, None)
            return
        parent_id = order.parent_order_id if order.slice is not None else None
        if parent_id is None:
            return
        children = self._children[parent_id]
        del children[order.order_id]
        self._taken[parent_id] -= reserved(order)[0]
        if not children:
            del self._children[parent_id], self._taken[parent_id]


def _parent_of(order: Order | None) -> str | None:
    """The parent that an order is, or is a part of."""
    if order is None:
        return None
    if order.algo is not None:
        return order.order_id
    return order.parent_order_id if order.slice is not None else None
