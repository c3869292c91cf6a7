"""What is in the account, from the venue's own record of executions.

The record is added up once, in pieces, when the account is first asked for; from then on every execution is added as
it happens. What happens while the record is read is kept apart, and counted once.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Final

from ordergate.adapters.brokers.paper.rows import Execution
from ordergate.adapters.brokers.paper.stores import VenueStore, done
from ordergate.domain.instruments import TOKEN, Instrument
from ordergate.domain.money import EXACT, plain
from ordergate.domain.positions.ledger import BASE_TOKEN, PERP

MOST_RECENT: Final = 10_000
"""Executions that a statement names at most."""


class Account:
    """Of one session, at the venue of that name.

    Attributes:
        known: whether all of the record is added up.
    """

    def __init__(self, name: str) -> None:
        self._name, self.known = name, False
        self._reading, self._lock = False, asyncio.Lock()
        self._quantities: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._paid: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._fees: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._deltas: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._meanwhile: dict[str, Execution] = {}
        self._recent: deque[Execution] = deque(maxlen=MOST_RECENT)
        self._recent_from: datetime | None = None

    def add(self, execution: Execution) -> None:
        """An execution happened; before the record is read, it will be found there."""
        if self.known:
            self._count(execution)
        elif self._reading:
            self._meanwhile[execution.exec_id] = execution

    def begin(self, since: datetime) -> "Account":
        """The record up to now is about to be read, unless it has been; gives itself."""
        if not self._reading:
            self._reading, self._recent_from = True, since
        return self

    async def read(self, store: VenueStore) -> None:
        """Adds the record up, after `begin`, if that is not done.

        Raises:
            StoreError: it cannot be read.
        """
        async with self._lock:
            if not self.known:
                await self._read(store)

    async def _read(self, store: VenueStore) -> None:
        after, recent = (0, 0), list[Execution]()
        for sums in (self._quantities, self._paid, self._fees, self._deltas):
            sums.clear()  # of an earlier try
        while rows := await done(store.executions_after(after)):
            with localcontext(EXACT):
                for row in rows:
                    if row.exec_id not in self._meanwhile:
                        self._sum(row)
                        if self._recent_from is None or row.time >= self._recent_from:
                            recent.append(row)
            after = rows[-1].order_number, rows[-1].number
            await asyncio.sleep(0)  # others go on meanwhile
        self._recent.extend(sorted(recent, key=lambda row: (row.time, row.order_number, row.number)))
        self.known = True
        for execution in self._meanwhile.values():
            self._count(execution)
        self._meanwhile.clear()

    def _count(self, execution: Execution) -> None:
        with localcontext(EXACT):
            self._sum(execution)
        self._recent.append(execution)

    def _sum(self, row: Execution) -> None:
        quantity = row.quantity * row.side.sign
        if not row.symbol.startswith(TOKEN):
            self._quantities[row.symbol] += quantity
        if row.deltas is None:
            self._paid[row.symbol] -= quantity * row.price
        for delta in row.deltas or ():
            self._deltas[delta.position_key] += delta.amount
        if row.fee and row.fee_currency is not None:
            self._fees[row.fee_currency] -= row.fee

    def positions(self) -> dict[str, Decimal]:
        """What is held, by symbol."""
        return {symbol: plain(quantity) for symbol, quantity in self._quantities.items() if quantity}

    def money(
        self, instruments: Mapping[str, Instrument | None], arrivals: Mapping[str, Decimal]
    ) -> dict[str, Decimal] | None:
        """What trades, operations and fees have moved, by currency; None where a symbol is not known any more.

        Args:
            arrivals: what came from elsewhere.
        """
        moved: defaultdict[str, Decimal] = defaultdict(Decimal, self._fees)
        for currency, amount in arrivals.items():
            moved[currency] += amount
        for key, amount in self._deltas.items():
            venue, kind, currency = key.split(":", 2)
            if venue == self._name and kind == BASE_TOKEN:
                moved[currency] += amount
        for symbol, paid in self._paid.items():
            instrument = instruments.get(symbol)
            if instrument is None:
                return None
            moved[instrument.currency] += paid * instrument.contract_size
        return {currency: plain(amount) for currency, amount in moved.items()}

    def bound(self) -> dict[str, Decimal]:
        """What is lent, owed and staked, by position key: neither money nor contracts."""
        kinds = {key: key.split(":", 2)[1] for key in self._deltas}
        return {
            key: plain(amount)
            for key, amount in self._deltas.items()
            if amount and kinds[key] not in (BASE_TOKEN, PERP)
        }

    @property
    def symbols(self) -> list[str]:
        """Whatever was traded."""
        return list(self._paid)

    def recent(self, since: datetime) -> tuple[tuple[Execution, ...], datetime]:
        """What was executed since then, and since when that is all: later, where it was too much."""
        if self._recent_from is not None:
            since = max(since, self._recent_from)
        if len(self._recent) == MOST_RECENT:
            since = max(since, self._recent[0].time)
        return tuple(row for row in self._recent if row.time >= since), since
