"""The statement of the account, as the venue makes it."""

import sqlite3
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ordergate.adapters.brokers.paper.account import Account
from ordergate.adapters.brokers.paper.session import Down
from ordergate.adapters.brokers.paper.settings import PaperSettings
from ordergate.adapters.brokers.paper.stores import VenueStore, sent_by
from ordergate.adapters.brokers.paper.teller import executed
from ordergate.adapters.brokers.paper.venue import Instruments, Venue
from ordergate.domain.errors import StoreError
from ordergate.domain.money import ZERO
from ordergate.domain.recon.statement import Statement

if TYPE_CHECKING:
    from ordergate.adapters.brokers.paper.postgres import Board

Arrive = Callable[[Callable[[Venue, datetime], Any]], Awaitable[Any]]


class Telling:
    """Makes statements of one venue, whichever session it has.

    What transfers have brought from other paper venues is read of their records: so it counts once, and from when
    it counts there.

    Args:
        instruments: what a symbol is traded in.
        board: of a venue in PostgreSQL.

    Attributes:
        neighbors: gives those of the paper venues that there are; itself may be among them.
    """

    def __init__(
        self,
        name: str,
        settings: PaperSettings,
        store: VenueStore,
        instruments: Instruments,
        board: "Board | None",
    ) -> None:
        self._name, self._settings, self._store, self._instruments = name, settings, store, instruments
        self.neighbors: Callable[[], Iterable[Telling]] = tuple
        self._board = board

    async def tell(self, arrive: Arrive, since: datetime) -> Statement:
        """What is in the account at the moment of arriving, and what was executed since then.

        Args:
            arrive: travels to the venue and looks.
        """
        try:
            return await self._tell(arrive, since)
        except (Down, StoreError, sqlite3.Error) as error:
            return Statement(as_of=since, complete=False, why=str(error))

    async def sent_to(self, target: str) -> Mapping[str, Decimal]:
        """What transfers have taken from here to another venue, by token, in all, with or without a session here.

        Raises:
            StoreError: the record cannot be read.
        """
        if self._board is not None:
            return await self._board.sent_to(target)
        sent = sent_by(self._store)
        return {token: amount for (to, token), amount in sent.items() if to == target}

    async def _tell(self, arrive: Arrive, since: datetime) -> Statement:
        account: Account = await arrive(lambda venue, _at: venue.register.account.begin(since))
        await account.read(self._store)
        arrivals: defaultdict[str, Decimal] = defaultdict(Decimal)
        for neighbor in self.neighbors():
            if neighbor is not self:
                for token, amount in (await neighbor.sent_to(self._name)).items():
                    arrivals[token] += amount
        told: Statement = await arrive(lambda venue, at: self._look(venue, at, since, arrivals))
        return told

    def _look(
        self, venue: Venue, at: datetime, since: datetime, arrivals: Mapping[str, Decimal]
    ) -> Statement:
        account = venue.register.account
        working = [order.client_id for order in venue.register.working.values()]
        if not account.known:  # of a session that began meanwhile
            return Statement(as_of=at, complete=False)
        positions = account.positions()
        if venue.injector.hits("incomplete_snapshot"):
            some = list(positions.items())[: len(positions) // 2]
            return Statement(as_of=at, complete=False, positions=dict(some), working=frozenset())
        instruments = {symbol: self._instruments(symbol) for symbol in account.symbols}
        moved = account.money(instruments, arrivals)
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
            bound=account.bound(),
            working=frozenset(working),
            executions=tuple(executed(self._name, row) for row in executions),
            executions_since=since,
        )
