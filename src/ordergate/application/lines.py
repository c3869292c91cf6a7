"""Requests that wait for a call to one broker: cancels first, then what makes orders smaller, then the rest.

The requests of one order form a line, each behind the one before: a venue knows nothing of a cancel whose order it has
yet to get. Who is behind gets a turn all the same: after so many ahead of it, one of the others.
"""

from collections import deque
from enum import IntEnum
from typing import Final, NamedTuple

from ordergate.domain.orders.order import Order, Request
from ordergate.domain.orders.states import RequestKind

MOST_AHEAD: Final = 8
"""Calls that may go ahead of a lower rank that waits; then it has one."""


class Rank(IntEnum):
    """Who goes first."""

    CANCEL = 0
    REDUCE = 1
    REST = 2


class Waiting(NamedTuple):
    """A request that waits for its call."""

    order_id: str
    number: int
    rank: Rank


class Lines:
    """Of one broker."""

    def __init__(self) -> None:
        self._behind: dict[str, deque[Waiting]] = {}
        self._heads: tuple[dict[str, Waiting], ...] = tuple({} for _ in Rank)
        self._since: dict[str, int] = {}
        self._count = self._ahead = 0

    def __len__(self) -> int:
        """How many orders have a request that waits, or is under way."""
        return len(self._behind)

    def has(self, most: Rank) -> bool:
        """Whether a call of that rank, or before it, waits."""
        return any(self._heads[rank] for rank in Rank if rank <= most)

    def put(self, waiting: Waiting) -> None:
        """At the end of its order's line."""
        behind = self._behind.get(waiting.order_id)
        if behind is None:
            self._behind[waiting.order_id] = deque()
            self._lead(waiting)
        else:
            behind.append(waiting)

    def _lead(self, waiting: Waiting) -> None:
        self._count += 1
        self._since[waiting.order_id] = self._count
        self._heads[waiting.rank][waiting.order_id] = waiting

    def take(self, most: Rank = Rank.REST) -> Waiting | None:
        """The next one of that rank or before it; its order's others wait until it is `done`."""
        ranks = [rank for rank in Rank if self._heads[rank]]
        if not ranks or ranks[0] > most:
            return None
        first, others = ranks[0], [rank for rank in ranks[1:] if rank <= most]
        self._ahead = self._ahead + 1 if len(ranks) > 1 else 0
        if others and self._ahead > MOST_AHEAD:
            self._ahead, first = 0, min(others, key=lambda rank: self._since[next(iter(self._heads[rank]))])
        heads = self._heads[first]
        return heads.pop(next(iter(heads)))

    def done(self, order_id: str) -> None:
        """The call of an order is over: the next of its line may go."""
        behind = self._behind.get(order_id)
        if behind:
            self._lead(behind.popleft())
        else:
            self._behind.pop(order_id, None)
            self._since.pop(order_id, None)

    def clear(self) -> None:
        """Nothing more goes."""
        for heads in self._heads:
            heads.clear()


def rank_of(order: Order, request: Request) -> Rank:
    """Where a request of an order stands."""
    if request.kind is RequestKind.CANCEL:
        return Rank.CANCEL
    if (
        request.kind is RequestKind.REPLACE
        and request.quantity is not None
        and request.quantity < order.quantity
    ):
        return Rank.REDUCE
    return Rank.REST
