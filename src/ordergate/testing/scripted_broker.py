"""A broker that answers as a test tells it to, call by call."""

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

from ordergate.application.ports.brokers import (
    Answer,
    Capabilities,
    Change,
    Deduplication,
    Lookup,
    OpenOrders,
    Presence,
    Send,
    Sink,
    Withdraw,
)
from ordergate.domain.orders.reports import Outcome
from ordergate.domain.orders.states import OrderType, TimeInForce

Call = Send | Withdraw | Change
Reply = Answer | Exception | Callable[[Call], Answer]

CAPABILITIES = Capabilities(
    order_types=frozenset(OrderType),
    tifs=frozenset(TimeInForce),
    deduplication=Deduplication.NONE,
    proves_absence=False,
    grace_s=30,
    replaces=True,
    calls=4,
)


class ScriptedBroker:
    """Implements the broker port from scripts.

    Attributes:
        calls: what was asked of it, in order.
        looked_up: client ids, in order.
        answers: what submit, cancel and replace reply, in order; then ACCEPTED.
        lookups: what lookup replies, in order; then UNAVAILABLE.
        snapshot: what `open_orders` replies.
        taken_over: what it says of its session.
    """

    def __init__(self, name: str = "paper", capabilities: Capabilities = CAPABILITIES) -> None:
        self._name, self._capabilities = name, capabilities
        self.calls: list[Call] = []
        self.looked_up: list[str] = []
        self.answers: deque[Reply] = deque()
        self.lookups: deque[Lookup | Exception] = deque()
        self.snapshot = OpenOrders(as_of=datetime(2026, 1, 1, tzinfo=UTC), complete=False)
        self.sink: Sink | None = None
        self.taken_over = False
        self.cursor: str | None = None

    @property
    def name(self) -> str:
        """As orders name it."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """As given."""
        return self._capabilities

    async def connect(self, sink: Sink, cursor: str | None) -> None:
        """Keeps the sink, for the test to report through."""
        self.sink, self.cursor, self.taken_over = sink, cursor, False

    async def submit(self, send: Send) -> Answer:
        """The next answer."""
        return self._reply(send)

    async def cancel(self, withdraw: Withdraw) -> Answer:
        """The next answer."""
        return self._reply(withdraw)

    async def replace(self, change: Change) -> Answer:
        """The next answer."""
        return self._reply(change)

    def _reply(self, call: Call) -> Answer:
        self.calls.append(call)
        reply = self.answers.popleft() if self.answers else Answer(outcome=Outcome.ACCEPTED)
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, Answer) else reply(call)

    async def lookup(self, client_id: str, broker_order_id: str | None = None) -> Lookup:
        """The next finding."""
        self.looked_up.append(client_id)
        found = self.lookups.popleft() if self.lookups else Lookup(presence=Presence.UNAVAILABLE)
        if isinstance(found, Exception):
            raise found
        return found

    async def open_orders(self) -> OpenOrders:
        """As set."""
        return self.snapshot

    async def close(self) -> None:
        """Nothing to let go of."""
