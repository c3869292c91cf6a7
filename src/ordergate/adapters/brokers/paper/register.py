"""What the venue knows of its orders and requests, and what of that is not yet on disk.

Orders that work are in memory; those that ended, and all requests, are read from the store when somebody names
them (a store that takes its time has fetched them before). Nothing that is taken in here counts before `commit`.
"""

from collections.abc import Awaitable
from datetime import datetime

from msgspec import Struct

from ordergate.adapters.brokers.paper.account import Account
from ordergate.adapters.brokers.paper.orders import Status, VenueOrder, number_of
from ordergate.adapters.brokers.paper.records import Record, with_raw
from ordergate.adapters.brokers.paper.rows import Batch, Contract, Execution, QuoteRow, Request
from ordergate.adapters.brokers.paper.stores import VenueStore
from ordergate.domain.money import ZERO, plain
from ordergate.domain.orders.reports import AnyReport
from ordergate.domain.positions.ledger import BASE_TOKEN


class Commit(Struct, frozen=True):
    """What was written, or is being written as long as there is something to wait for; the reports go out then."""

    records: list[Record]
    under_way: Awaitable[None] | None = None


class Register:
    """The orders, requests and reports of a venue whose store is open.

    Attributes:
        account: what the executions add up to.
        contracts: what is open of perpetual contracts, by symbol.
        sent: what transfers have taken elsewhere, in all.
    """

    def __init__(self, name: str, store: VenueStore) -> None:
        self._store, self.account = store, Account(name)
        self._batch = Batch()
        self._number, self._sequence = store.last()
        self.working = {order.number: order for order in store.working()}
        self._name, self.sent = name, dict(store.sent())
        self.contracts = {contract.symbol: contract for contract in store.contracts()}

    @property
    def last_sequence(self) -> int:
        """Of the reports so far, the uncommitted ones included."""
        return self._sequence

    @property
    def clean(self) -> bool:
        """Whether there is nothing to commit."""
        return self._batch.empty

    def next_number(self) -> int:
        """A number for a new order."""
        self._number += 1
        return self._number

    def request(self, client_id: str) -> Request | None:
        """The request of that client id, if it ever arrived."""
        return self._batch.requests.get(client_id) or self._store.request(client_id)

    def order(self, number: int | None) -> VenueOrder | None:
        """An order by its number."""
        if number is None:
            return None
        return self.working.get(number) or self._batch.orders.get(number) or self._store.order(number)

    def order_of(self, client_id: str, broker_order_id: str | None) -> VenueOrder | None:
        """The order that a request is about: by the client id of an earlier one, else by the venue's name."""
        request = self.request(client_id)
        if request is not None and request.order_number is not None:
            return self.order(request.order_number)
        return self.order(number_of(broker_order_id))

    def add_request(
        self, client_id: str, kind: str, number: int | None, refused: str | None, at: datetime
    ) -> None:
        """A request has arrived and its client id is used up."""
        self._batch.requests[client_id] = Request(client_id, kind, number, refused, at)

    def change(self, order: VenueOrder) -> None:
        """An order is new or has changed; it is in memory exactly while it works."""
        self._batch.orders[order.number] = order
        if order.status is Status.WORKING:
            self.working[order.number] = order
        else:
            self.working.pop(order.number, None)

    def add_execution(self, execution: Execution) -> None:
        """A trade happened."""
        self._batch.executions.append(execution)
        self.account.add(execution)
        for delta in execution.deltas or ():
            venue, kind, token = delta.position_key.split(":", 2)
            if kind == BASE_TOKEN and venue != self._name:
                to = venue, token
                self.sent[to] = self._batch.sent[to] = plain(self.sent.get(to, ZERO) + delta.amount)

    def set_contract(self, contract: Contract) -> None:
        """A fill has changed what is open of a perpetual contract."""
        self.contracts[contract.symbol] = self._batch.contracts[contract.symbol] = contract

    def report(self, number: int, report: AnyReport) -> None:
        """Something is to be said of an order."""
        self._sequence += 1
        self._batch.reports.append((number, Record(self._sequence, with_raw(report))))

    def set_quote(self, row: QuoteRow) -> None:
        """A quote to be kept with the next commit; a pinned one calls for a commit."""
        self._batch.quotes[row.quote.symbol] = row
        self._batch.pinned = self._batch.pinned or row.quote.pinned

    def take(self, number: int) -> None:
        """A quote that another node handed over under that number is about to be set."""
        self._batch.taken.append(number)

    def commit(self) -> Commit:
        """Writes everything since the last commit.

        Raises:
            StoreError: nobody can say whether it was written; the venue must be opened again.
        """
        batch, self._batch = self._batch, Batch()
        under_way = self._store.write(batch)
        return Commit([record for _, record in batch.reports], under_way)
