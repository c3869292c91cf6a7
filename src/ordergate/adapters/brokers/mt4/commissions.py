"""What executions have told of the commission of tickets, so that all of it is told once.

A terminal shows the commission of a ticket at its opening, and shares it out where a part is closed: that of the lots
which ended stays with them, that of the others goes on under their new ticket.
"""

from decimal import Decimal
from typing import Final

from ordergate.adapters.brokers.mt4.wire import Closed, Row
from ordergate.domain.money import share

_PLACES: Final = 8
"""Of money in the bridge's files."""


class Commissions:
    """Of the tickets of one account, as the terminal writes them: negative where they cost."""

    def __init__(self) -> None:
        self._opened: dict[int, Decimal] = {}
        self._left: dict[int, Decimal] = {}
        self._parents: dict[int, int] = {}

    def opened(self, row: Row) -> None:
        """An opening has told that row's commission."""
        self._opened[row.ticket] = row.commission

    def moved(self, ticket: int, to: int) -> None:
        """What a partial close of a ticket left goes on as another."""
        self._parents[to] = ticket

    def cost_of(self, row: Closed) -> Decimal:
        """What a close has cost, its swap too, that was not told yet: less a part of what the opening has told, by the
        lots that were closed. The rest is of the ticket that goes on, however the server has shared it out.
        """
        told = self._opened.get(row.ticket)
        if told is None:
            told = self._left.get(self._parents.get(row.ticket, 0), row.commission_open)
        part = share(told, row.lots, row.lots + row.left, _PLACES)
        self._left[row.ticket] = told - part
        return -(row.commission - part + row.swap)
