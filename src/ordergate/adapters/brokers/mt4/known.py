"""One order of ours, as far as the terminal has told of it."""

from decimal import Decimal

from ordergate.adapters.brokers.mt4.wire import Row
from ordergate.domain.orders.reports import Ended, Executed


class Known:
    """What is known of one order.

    Attributes:
        ticket: as `broker_order_id`.
        accepted: the client id under which it works: its own, or that of the last change that was done.
        working: the order in the terminal that works, if one does.
        done: the lots of its steps that were executed, by their refs.
        end: as it was told.
        complete: all of it was executed, as was told.
    """

    def __init__(self, client_id: str, ticket: str) -> None:
        self.client_id, self.ticket = client_id, ticket
        self.accepted = client_id
        self.working: Row | None = None
        self.executions: dict[str, Executed] = {}
        self.done: dict[str, Decimal] = {}
        self.end: Ended | None = None
        self.complete = False
