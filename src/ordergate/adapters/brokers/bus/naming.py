"""What a connector's reports are about: its broker's names of orders, made ours as far as this process knows them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from msgspec.structs import asdict, replace

from ordergate.adapters.brokers.bus.reading import Refused
from ordergate.application.ports.brokers import Change, Withdraw
from ordergate.domain.identifiers import client_order_id, is_client_order_id, order_id_of
from ordergate.domain.orders.reports import Answered, AnyReport, End, Ended, Outcome, RequestRefused
from ordergate.domain.orders.states import RequestKind

K = TypeVar("K")
T = TypeVar("T")
_MOST: Final = 10_000


def remember(memory: dict[K, T], name: K, value: T) -> None:
    """Keeps it, and forgets the first where there are too many."""
    memory[name] = value
    if len(memory) > _MOST:
        del memory[next(iter(memory))]


class Names:
    """Of the orders of one account, and of the requests that were made of them.

    Args:
        published: orders are only published, and neither answered nor changed.
    """

    def __init__(self, *, published: bool = False) -> None:
        self._published = published
        self._submits: dict[str, str] = {}
        self._unanswered: dict[str, None] = {}
        self._tickets: dict[str, str] = {}
        self._changes: dict[tuple[str, RequestKind], tuple[str, ...]] = {}
        self._under_way: dict[asyncio.Event, None] = {}

    @asynccontextmanager
    async def submitting(self, client_id: str) -> AsyncIterator[None]:
        """A submit is under way: a fill may come before its answer."""
        remember(self._submits, order_id_of(client_id), client_id)
        remember(self._unanswered, order_id_of(client_id), None)
        done = asyncio.Event()
        self._under_way[done] = None
        try:
            yield
        finally:
            del self._under_way[done]
            done.set()

    def answered(self, ticket: str | None, client_id: str) -> None:
        """The broker has said what it calls an order."""
        if ticket is not None:
            remember(self._tickets, ticket, client_id)

    def acknowledged(self, client_id: str) -> None:
        """The connector has shown that it has the order."""
        self._unanswered.pop(order_id_of(client_id), None)

    def is_unanswered(self, client_id: str) -> bool:
        """Whether the order was sent by this process, and nothing was heard of it yet."""
        return order_id_of(client_id) in self._unanswered

    def found(self, report: AnyReport) -> None:
        """A lookup told it."""
        if report.client_id is not None:
            self.acknowledged(report.client_id)
            self.answered(report.broker_order_id, report.client_id)

    def was_sent(self, client_id: str) -> bool:
        """Whether it is the name under which this process sent an order last."""
        return self._submits.get(order_id_of(client_id)) == client_id

    def changing(self, kind: RequestKind, change: Change | Withdraw) -> None:
        """A cancel or a replace leaves."""
        key = order_id_of(change.order), kind
        made = self._changes.get(key, ())
        if change.client_id not in made:
            remember(self._changes, key, (*made, change.client_id))
        self.answered(change.broker_order_id, change.order)

    async def named(self, report: AnyReport) -> AnyReport:
        """The report under our name of the order or request, as far as that is known.

        A fill that has only the broker's own name of an order may come before the answer that tells us that name.
        """
        ticket = report.broker_order_id
        if report.client_id is None and ticket is not None:
            if ticket not in self._tickets:
                for done in list(self._under_way):
                    await done.wait()  # each ends by its deadline
            report = replace(report, client_id=self._tickets.get(ticket))
        if isinstance(report, Answered):
            return self._error(report)
        return self._request(report) if isinstance(report, Refused) else report

    def _error(self, said: Answered) -> AnyReport:
        """Of an error that does not say what was asked: a refusal ends what is only published.

        Else it is one of the submit, which ends no order that was acknowledged; once a change of the order has left, it
        may be of that, and proves nothing.
        """
        if self._published and said.outcome is Outcome.REJECTED:
            common = asdict(said)
            del common["outcome"], common["epoch"]
            return Ended(end=End.REJECTED, **common)
        name = said.client_id
        if name is None:
            return said
        made = [one for kind in RequestKind for one in self._changes.get((order_id_of(name), kind), ())]
        if not is_client_order_id(name):
            said = replace(said, client_id=self._submits.get(name) or client_order_id(name, 1))
        return replace(said, outcome=Outcome.UNKNOWN) if made and name not in made else said

    def _request(self, refused: Refused) -> RequestRefused:
        """The refusal of the last such request of the order, where it does not name one itself.

        Where none was made in this process, whoever asked is asking again: it drops nothing.
        """
        said = asdict(refused)
        kind, name = said.pop("request"), refused.client_id
        if name is not None:
            made = self._changes.get((order_id_of(name), kind))
            if made is not None and name not in made:
                said["client_id"] = made[-1]
            elif not is_client_order_id(name):
                said["client_id"] = client_order_id(name, 1)
        return RequestRefused(**said)
