"""An account behind the DWX files, as a broker: it translates, and says UNKNOWN wherever a reply names nobody."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from ordergate.adapters.brokers.dwx.account import statement_of, working
from ordergate.adapters.brokers.dwx.following import Following
from ordergate.adapters.brokers.dwx.giving import Giving
from ordergate.adapters.brokers.dwx.health import health_of
from ordergate.adapters.brokers.dwx.link import Link
from ordergate.adapters.brokers.dwx.lookups import Lookups
from ordergate.adapters.brokers.dwx.notebook import Notebook
from ordergate.adapters.brokers.dwx.reading import Orders, Unreadable
from ordergate.adapters.brokers.dwx.settings import DwxSettings
from ordergate.adapters.brokers.dwx.terms import Catalogue, Refused, terms_of
from ordergate.application.ports.brokers import (
    Answer,
    Capabilities,
    Change,
    Health,
    Lookup,
    OpenOrders,
    Presence,
    Send,
    Sink,
    Withdraw,
)
from ordergate.application.ports.clock import Clock
from ordergate.domain.errors import BrokerAway, StoreError
from ordergate.domain.money import ONE, plain
from ordergate.domain.orders.reports import AnyReport, Outcome
from ordergate.domain.recon.statement import Statement
from ordergate.domain.risk.case import BrokerAccount

_CLOSED: Final = "no session is open"
_SOON, _SELDOM = timedelta(seconds=1), timedelta(seconds=60)
"""Between two questions about what is missing: the first, and the farthest apart."""
_log = structlog.get_logger("ordergate.brokers.dwx")


class DwxBroker:
    """One account, echo-only.

    Args:
        path: of the notebook that knows which ticket is whose; memory, if None.
        catalogue: the instrument of a symbol; None where there is none.
    """

    def __init__(
        self, name: str, settings: DwxSettings, path: Path | None, clock: Clock, catalogue: Catalogue
    ) -> None:
        self._name, self._settings, self._clock, self._catalogue = name, settings, clock, catalogue
        self._capabilities = settings.capabilities()
        self._notebook = Notebook(name, path)
        self._link = Link(settings, clock, self._notebook)
        self._following = Following(name, self._notebook, clock, self._say)
        self._giving = Giving(settings, self._notebook, self._link, self._following)
        self._lookups = Lookups(name, settings, self._catalogue, self._notebook, self._link, self._following)
        self._sink: Sink | None = None
        self._polling: asyncio.Task[None] | None = None
        self._asked_at: datetime | None = None
        self._pause = _SOON
        self.account: BrokerAccount | None = None

    @property
    def name(self) -> str:
        """As orders and funds name it."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """The same for every such account."""
        return self._capabilities

    @property
    def taken_over(self) -> bool:
        """Never: the files know no sessions."""
        return False

    @property
    def connected(self) -> bool:
        """Whether the expert advisor has written lately."""
        return self._sink is not None and self._link.alive

    async def connect(self, sink: Sink, cursor: str | None) -> None:
        """Begins to read the files; an expert advisor that does not run may begin to later.

        Raises:
            BrokerAway: there is no such folder, as before the expert advisor has first run.
            StoreError: the notebook cannot be used, or belongs to another journal.
        """
        await self.close()
        if not await self._link.exists():
            raise BrokerAway(
                f"broker {self._name}: there is no folder {self._settings.folder}: start the expert advisor once"
            )
        self._notebook.open()
        for report in self._notebook.after(cursor):
            sink.report(report)
        self._link.begin()
        self._sink = sink
        self._following.drop_planned()
        try:
            await self._link.fresh()
            async with self._link.lock:
                await self._link.clear()
        except Unreadable as error:
            _log.warning("the terminal says nothing", broker=self._name, error=str(error))
        self._polling = asyncio.get_running_loop().create_task(self._poll())

    async def close(self) -> None:
        """Gives no more commands; what works at the terminal goes on working."""
        polling, self._polling = self._polling, None
        if polling is not None:
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)
        self._sink, self.account = None, None
        self._notebook.close()

    async def submit(self, send: Send) -> Answer:
        """Gives an order, or closes what orders of ours have opened."""
        try:
            terms = terms_of(send, self._settings, self._capabilities, self._catalogue)
        except Refused as error:
            return Answer(outcome=Outcome.REJECTED, reason=str(error))
        if self._sink is None:
            return Answer(outcome=Outcome.NOT_SENT, reason=_CLOSED)
        async with self._link.lock:
            if self._sink is None:
                return Answer(outcome=Outcome.NOT_SENT, reason=_CLOSED)
            return await self._giving.submit(send, terms)

    async def cancel(self, withdraw: Withdraw) -> Answer:
        """Deletes an order that waits; one that has opened a position meanwhile is left alone."""
        if self._sink is None:
            return Answer(outcome=Outcome.NOT_SENT, reason=_CLOSED)
        async with self._link.lock:
            if self._sink is None:
                return Answer(outcome=Outcome.NOT_SENT, reason=_CLOSED)
            return await self._giving.cancel(withdraw)

    async def replace(self, change: Change) -> Answer:
        """There is no such thing here."""
        return Answer(
            outcome=Outcome.REJECTED, reason="this broker changes no orders: cancel and make a new one"
        )

    async def lookup(self, client_id: str, broker_order_id: str | None = None) -> Lookup:
        """What the terminal has of an order; absence is never proven."""
        if self._sink is None:
            return Lookup(presence=Presence.UNAVAILABLE, reason=_CLOSED)
        try:
            async with self._link.lock:
                return await self._lookups.find(client_id)
        except (Unreadable, StoreError) as error:
            return Lookup(presence=Presence.UNAVAILABLE, reason=str(error))

    async def open_orders(self) -> OpenOrders:
        """The orders of ours that wait, as they are written from now on."""
        now = self._clock.now()
        try:
            orders = await self._fresh()
            return OpenOrders(
                as_of=self._clock.now(), complete=True, client_ids=working(orders, self._notebook.alive())
            )
        except (Unreadable, StoreError) as error:
            _log.warning("what works could not be read", broker=self._name, error=str(error))
            return OpenOrders(as_of=now, complete=False)

    async def statement(self, since: datetime) -> Statement:
        """Positions of the symbols that are traded here, and what works; no executions: times are the broker's own."""
        now = self._clock.now()
        try:
            orders = await self._fresh()
            alive = self._notebook.alive()
            return statement_of(orders, alive, self._settings, self._catalogue, self._clock.now())
        except (Unreadable, StoreError, Refused) as error:
            return Statement(as_of=now, complete=False, why=str(error))

    async def check(self) -> Health:
        """Reads the files, and gives no command."""
        return await health_of(self._settings, Link(self._settings, self._clock, self._notebook))

    async def _fresh(self) -> Orders:
        if self._sink is None:
            raise Unreadable(_CLOSED)
        return await self._link.fresh()

    async def _poll(self) -> None:
        while True:
            await self._clock.sleep(self._settings.poll_ms / 1000)
            try:
                await self._look()
            except Unreadable:
                pass  # half a file, or none: `connected` says so where that lasts
            except StoreError as error:
                _log.error("what was read could not be noted", broker=self._name, error=str(error))
            except Exception:  # whatever it is, the next look must come
                _log.exception("the files could not be read", broker=self._name)

    async def _look(self) -> None:
        orders = await self._link.look()
        said = orders.account
        free, leverage = plain(said.free_margin), max(plain(said.leverage), ONE)
        self.account = BrokerAccount(said.currency, free, self._clock.now(), leverage)
        if not self._following.see(orders):
            self._pause = _SOON
            return
        now = self._clock.now()
        if self._link.lock.locked() or (self._asked_at is not None and now - self._asked_at < self._pause):
            return
        self._asked_at, self._pause = now, min(self._pause * 2, _SELDOM)
        async with self._link.lock:
            with suppress(Unreadable):  # asked again
                history = await self._link.history()
                self._following.past(await self._link.look(), history)

    def _say(self, report: AnyReport) -> None:
        if self._sink is not None:
            self._sink.report(report)
