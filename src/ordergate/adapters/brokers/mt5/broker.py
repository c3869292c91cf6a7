"""One account at a MetaTrader 5 broker."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Final

import structlog
from msgspec.structs import replace

from ordergate.adapters.brokers.mt5 import constants as c
from ordergate.adapters.brokers.mt5.account import statement_of
from ordergate.adapters.brokers.mt5.agent.port import Refused, Terminal, Unreachable
from ordergate.adapters.brokers.mt5.changing import Changer
from ordergate.adapters.brokers.mt5.finding import Finder
from ordergate.adapters.brokers.mt5.health import health_of, tables_of
from ordergate.adapters.brokers.mt5.link import Failed
from ordergate.adapters.brokers.mt5.sending import Sender
from ordergate.adapters.brokers.mt5.sessions import Catalogue, Session
from ordergate.adapters.brokers.mt5.settings import CAPABILITIES, Mt5Settings
from ordergate.adapters.brokers.mt5.symbols import Unreadable, volume_of, whole
from ordergate.application.ports.brokers import (
    Answer,
    Capabilities,
    Change,
    Health,
    LoginRefused,
    Lookup,
    OpenOrders,
    Presence,
    Send,
    Sink,
    Withdraw,
)
from ordergate.application.ports.clock import Clock
from ordergate.domain.orders.reports import Outcome
from ordergate.domain.recon.statement import Statement
from ordergate.domain.risk.case import BrokerAccount

_CLOSED: Final = "no session is open"
_FIRST_S: Final = 3.0
"""How long the beginning of a session waits for the terminal."""
SETTLE_S: Final = 30.0
"""How long a terminal may take to show what has happened: after a call, and after it has got a connection."""
_log = structlog.get_logger("ordergate.brokers.mt5")
NO_ANSWER: Final = (Failed, Unreachable, Unreadable, Refused, ValueError)
"""What a terminal's being away, or telling what cannot be read, is raised as."""

Make = Callable[[bool], Terminal]
"""Makes what a session is had with; the argument: to look on alone, so that nobody's session ends. Raises Refused."""


class Mt5Broker:
    """One account at a MetaTrader 5 broker.

    Args:
        make: makes the terminal of a session, which belongs to that session.
        catalogue: gives the instrument of a symbol; None where there is none.
        settle_s: for tests; see SETTLE_S.
    """

    def __init__(
        self,
        name: str,
        settings: Mt5Settings,
        make: Make,
        catalogue: Catalogue,
        clock: Clock,
        settle_s: float = SETTLE_S,
    ) -> None:
        self._name, self._settings, self._make = name, settings, make
        self._catalogue, self._clock, self._settle_s = catalogue, clock, settle_s
        self.session: Session | None = None

    @property
    def name(self) -> str:
        """As orders and funds name it."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """What a terminal behind a journal can do; a journal that was made only now remembers nothing yet."""
        session = self.session
        if session is None or not session.begun:
            return CAPABILITIES
        kept_s = min(CAPABILITIES.remembers_s or 0.0, session.link.remembers_s())
        return replace(CAPABILITIES, remembers_s=kept_s)

    @property
    def taken_over(self) -> bool:
        """Whether another process has begun a session at the agent."""
        return self.session is not None and self.session.link.taken_over

    @property
    def account(self) -> BrokerAccount | None:
        """What is free for margin, as it was told last."""
        return None if self.session is None else self.session.looking.account

    @property
    def connected(self) -> bool:
        """Whether the terminal answers, and has a connection to the broker."""
        session = self.session
        return session is not None and session.there.is_set() and session.looking.connected

    async def connect(self, sink: Sink, cursor: str | None) -> None:
        """Begins to follow the account; where the terminal is away, as soon as it is there.

        Raises:
            LoginRefused: the terminal, or its agent, does not know who we are, or is another account's. One that is
                refused only after a while (a terminal takes long to start) is an error in the log, and tried again.
        """
        await self.close()
        try:
            terminal = self._make(False)
        except Refused as refused:
            raise self._login_refused(str(refused)) from refused
        session = Session(
            self._name, self._settings, terminal, self._catalogue, self._clock, sink, cursor, self._settle_s
        )
        self.session = session
        session.start()
        with suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_S):
                await session.decided.wait()
        session.awaited = False
        if session.refused is not None:
            await self.close()
            raise self._login_refused(session.refused)

    def _login_refused(self, why: str) -> LoginRefused:
        where = f"brokers.{self._name}"
        return LoginRefused(f"{where}: {why}: check login, server, password and key of {where}")

    async def close(self) -> None:
        """Follows no more; what works at the broker goes on working."""
        session, self.session = self.session, None
        if session is not None:
            await session.close()

    def _deaf(self) -> str | None:
        """Why nothing is sent now; None where it is. What trades must be heard of."""
        session = self.session
        if session is None:
            return _CLOSED
        if not session.there.is_set():
            return f"the terminal cannot be used: {session.why or 'it was not reached yet'}"
        return None if session.looking.connected else "the terminal has no connection to the broker"

    async def submit(self, send: Send) -> Answer:
        """Sends an order, or what closes positions and then opens one, step by step."""
        session, deaf = self.session, self._deaf()
        wrong = self._wrong(send)
        if wrong is not None:
            return Answer(outcome=Outcome.REJECTED, reason=wrong)
        if session is None or deaf is not None:
            return Answer(outcome=Outcome.NOT_SENT, reason=deaf)
        return await Sender(self._settings, session).submit(send)

    def _wrong(self, send: Send) -> str | None:
        """Why an order is none for here, as far as the terminal need not be asked."""
        can = self.capabilities
        if not send.operation.is_trade or send.operation not in can.operations:
            return f"operation: MetaTrader does no {send.operation}"
        if send.symbol not in self._settings.symbols:
            known = ", ".join(self._settings.symbols)
            return f"symbol: {send.symbol} is not traded here: brokers.{self._name}.symbols has {known}"
        if send.order_type not in can.order_types:
            return f"order_type: this broker takes no {send.order_type} orders"
        return None if send.tif in can.tifs else f"tif: this broker takes no {send.tif} orders"

    async def cancel(self, withdraw: Withdraw) -> Answer:
        """Asks for a cancel. "Not found" proves nothing by itself: the order is looked at."""
        session = self.session
        if session is None or not session.begun:
            return Answer(outcome=Outcome.NOT_SENT, reason=self._deaf())
        return await Changer(self._name, session).cancel(withdraw)

    async def replace(self, change: Change) -> Answer:
        """Asks for new prices; a quantity cannot be changed."""
        session = self.session
        if session is None or not session.begun:
            return Answer(outcome=Outcome.NOT_SENT, reason=self._deaf())
        return await Changer(self._name, session).replace(change)

    async def lookup(self, client_id: str, broker_order_id: str | None = None) -> Lookup:
        """What the journal and the terminal know of a request."""
        session = self.session
        if session is None or not session.there.is_set():
            return Lookup(presence=Presence.UNAVAILABLE, reason=self._deaf())
        try:
            return await Finder(self._name, session, self._settle_s).lookup(client_id, broker_order_id)
        except NO_ANSWER as error:
            return Lookup(presence=Presence.UNAVAILABLE, reason=str(error))

    async def open_orders(self) -> OpenOrders:
        """The orders of ours that work; those of others are not told."""
        session, as_of = self.session, self._clock.now()
        if session is None or not session.there.is_set():
            return OpenOrders(as_of=as_of, complete=False)
        try:
            rows, connected = await session.link.working(), await session.link.is_connected()
        except NO_ANSWER as error:
            _log.warning("open orders could not be listed", broker=self._name, error=str(error))
            return OpenOrders(as_of=as_of, complete=False)
        if not connected:  # it shows what it knew
            return OpenOrders(as_of=as_of, complete=False)
        owned = [(session.telling.owner(row), whole(row, "ticket")) for row in rows]
        ours = (session.commands.latest(ticket, owner) for owner, ticket in owned if owner is not None)
        return OpenOrders(as_of=as_of, complete=True, client_ids=frozenset(ours))

    async def statement(self, since: datetime) -> Statement:
        """What is in the account, and what was executed since then."""
        session, as_of = self.session, self._clock.now()
        if session is None or not session.there.is_set():
            return Statement(as_of=as_of, complete=False, why=self._deaf())
        try:
            return await statement_of(session, since)
        except NO_ANSWER as error:
            return Statement(as_of=as_of, complete=False, why=str(error))

    async def has_margin(self, symbol: str, quantity: Decimal) -> bool | None:
        """Whether free margin covers that much more, by the terminal's own calculation; None where it does not say.

        Args:
            quantity: in the instrument's unit; negative sells.
        """
        session = self.session
        theirs, instrument = self._settings.symbols.get(symbol), self._catalogue(symbol)
        if session is None or theirs is None or instrument is None or self._deaf() is not None:
            return None
        try:
            found = await session.link.symbol(theirs)
            volume, buys = volume_of(abs(quantity), found, instrument), quantity > 0
            kind, price = (c.BUY, found.ask) if buys else (c.SELL, found.bid)
            needed = await session.link.amount("order_calc_margin", kind, theirs, float(volume), float(price))
            return needed <= await session.link.free_margin()
        except NO_ANSWER as error:
            _log.warning("margin could not be calculated", broker=self._name, error=str(error))
            return None

    async def check(self) -> Health:
        """Asks the terminal, read-only."""
        return await health_of(self._name, self._settings, self._make, self._catalogue, self._clock)

    async def instruments(self) -> dict[str, str]:
        """The table of the configuration that describes each symbol, by our name, as the terminal has it.

        Raises:
            LoginRefused: the terminal, or its agent, does not know who we are.
            StoreError: the terminal cannot be asked now.
        """
        return await tables_of(self._name, self._settings, self._make)
