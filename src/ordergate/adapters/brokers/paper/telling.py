"""The statement of the account, as the venue makes it."""

import sqlite3
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import structlog

from ordergate.adapters.brokers.paper.account import Account
from ordergate.adapters.brokers.paper.orders import broker_order_id
from ordergate.adapters.brokers.paper.rows import Execution
from ordergate.adapters.brokers.paper.session import Down
from ordergate.adapters.brokers.paper.settings import PaperSettings
from ordergate.adapters.brokers.paper.stores import VenueStore
from ordergate.adapters.brokers.paper.venue import Instruments, Venue
from ordergate.domain.errors import StoreError
from ordergate.domain.money import ZERO
from ordergate.domain.orders.reports import Executed
from ordergate.domain.recon.statement import Statement

Arrive = Callable[[Callable[[Venue, datetime], Any]], Awaitable[Any]]
_log = structlog.get_logger("ordergate.brokers.paper")


class Telling:
    """Makes statements of one venue, whichever session it has.

    Args:
        instruments: what a symbol is traded in.
    """

    def __init__(
        self, name: str, settings: PaperSettings, store: VenueStore, instruments: Instruments
    ) -> None:
        self._name, self._settings, self._store, self._instruments = name, settings, store, instruments

    async def tell(self, arrive: Arrive, since: datetime) -> Statement:
        """What is in the account at the moment of arriving, and what was executed since then.

        Args:
            arrive: travels to the venue and looks.
        """
        try:
            return await self._tell(arrive, since)
        except (Down, StoreError, sqlite3.Error) as error:
            _log.warning("the paper venue cannot tell of the account", broker=self._name, error=str(error))
            return Statement(as_of=since, complete=False)

    async def _tell(self, arrive: Arrive, since: datetime) -> Statement:
        account: Account = await arrive(lambda venue, _at: venue.register.account.begin(since))
        await account.read(self._store)
        told: Statement = await arrive(lambda venue, at: self._look(venue, at, since))
        return told

    def _look(self, venue: Venue, at: datetime, since: datetime) -> Statement:
        account = venue.register.account
        working = [order.client_id for order in venue.register.working.values()]
        if not account.known:  # of a session that began meanwhile
            return Statement(as_of=at, complete=False)
        positions = account.positions()
        if venue.injector.hits("incomplete_snapshot"):
            some = list(positions.items())[: len(positions) // 2]
            return Statement(as_of=at, complete=False, positions=dict(some), working=frozenset())
        moved = account.money({symbol: self._instruments(symbol) for symbol in account.symbols})
        executions, since = account.recent(since)
        paid_in = {**dict.fromkeys(moved or (), ZERO), self._settings.currency: self._settings.cash}
        return Statement(
            as_of=at,
            complete=True,
            positions=positions,
            balances=None
            if moved is None
            else {currency: paid + moved.get(currency, ZERO) for currency, paid in paid_in.items()},
            paid_in=paid_in,
            working=frozenset(working),
            executions=tuple(map(self._executed, executions)),
            executions_since=since,
        )

    def _executed(self, row: Execution) -> Executed:
        return Executed(
            broker=self._name,
            client_id=row.client_id,
            broker_order_id=broker_order_id(row.order_number),
            exec_id=row.exec_id,
            time=row.time,
            quantity=row.quantity,
            price=row.price,
            fee=row.fee,
            fee_currency=row.fee_currency,
            symbol=row.symbol,
            side=row.side,
        )
