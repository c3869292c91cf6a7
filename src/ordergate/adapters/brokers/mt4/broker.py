"""One account in a MetaTrader 4 terminal, reached through the folder of an expert advisor."""

import asyncio
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Final

from ordergate.adapters.brokers.mt4 import outcomes, requests
from ordergate.adapters.brokers.mt4.account import statement_of, working_in
from ordergate.adapters.brokers.mt4.describing import tables_of
from ordergate.adapters.brokers.mt4.desk import Desk, NotLeft
from ordergate.adapters.brokers.mt4.finding import find, look_up
from ordergate.adapters.brokers.mt4.health import health_of
from ordergate.adapters.brokers.mt4.known import Known
from ordergate.adapters.brokers.mt4.mending import mend_when_lost
from ordergate.adapters.brokers.mt4.session import Behind, Catalogue, Session
from ordergate.adapters.brokers.mt4.settings import Mt4Settings
from ordergate.adapters.brokers.mt4.submitting import Submitting
from ordergate.adapters.brokers.mt4.terms import lots_of, wrong_change, wrong_order
from ordergate.adapters.brokers.mt4.wire import Result, Row
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
from ordergate.application.stopping import stopped
from ordergate.domain.money import ONE
from ordergate.domain.orders.reports import Outcome, Replaced
from ordergate.domain.recon.statement import Statement
from ordergate.domain.risk.case import BrokerAccount

_CLOSED: Final = "no session is open"
_FIRST_S: Final = 3.0
"""How long the beginning of a session waits for the expert."""


class Mt4Broker:
    """One account in one terminal.

    Args:
        catalogue: the instrument of a symbol of ours; None if there is none.
    """

    def __init__(self, name: str, settings: Mt4Settings, clock: Clock, catalogue: Catalogue) -> None:
        self._name, self._settings, self._clock, self._catalogue = name, settings, clock, catalogue
        self._capabilities = settings.capabilities()
        self.session: Session | None = None
        self._desk: Desk | None = None
        self._mending: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """As orders and funds name it."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """What a terminal can do."""
        return self._capabilities

    @property
    def taken_over(self) -> bool:
        """Whether another session commands the expert now."""
        return self.session is not None and self.session.taken_over

    @property
    def connected(self) -> bool:
        """Whether the expert is there, and the terminal knows its server."""
        session = self.session
        if session is None or session.dead() is not None or session.account is None:
            return False
        return session.account.connected

    @property
    def account(self) -> BrokerAccount | None:
        """What is free for margin, as the terminal told it last."""
        session = self.session
        if session is None or session.account is None:
            return None
        account = session.account
        leverage = max(account.leverage, ONE)
        return BrokerAccount(account.currency, account.free, session.seen, leverage)

    async def connect(self, sink: Sink, cursor: str | None) -> None:
        """Takes the folder over and begins to follow it; where the terminal is away, as soon as it is there."""
        await self.close()
        session = Session(self._name, self._settings, self._clock, self._catalogue, sink, cursor)
        self.session, self._desk = session, Desk(session, self._settings.deadline_s)
        session.start()
        self._mending = asyncio.get_running_loop().create_task(mend_when_lost(session, self._desk))
        with suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_S):
                await session.decided.wait()

    async def close(self) -> None:
        """Follows no more; what works in the terminal goes on working."""
        session, self.session, self._desk = self.session, None, None
        if self._mending is not None:
            await stopped(self._mending)
            self._mending = None
        if session is not None:
            await session.close()

    async def submit(self, send: Send) -> Answer:
        """Sends an order."""
        wrong, session, desk = wrong_order(send, self._settings, self._name), self.session, self._desk
        if wrong is not None:
            return Answer(outcome=Outcome.REJECTED, reason=wrong)
        if session is None or desk is None:
            return Answer(outcome=Outcome.NOT_SENT, reason=_CLOSED)
        async with desk.turn:
            if (deaf := session.deaf()) is not None:
                return Answer(outcome=Outcome.NOT_SENT, reason=deaf)
            return await Submitting(session, desk, self._settings, self._catalogue).submit(send)

    async def cancel(self, withdraw: Withdraw) -> Answer:
        """Asks for a cancel."""
        session, desk = self.session, self._desk
        if session is None or desk is None:
            return Answer(outcome=Outcome.NOT_SENT, reason=_CLOSED)
        async with desk.turn:
            if (deaf := session.deaf()) is not None:
                return Answer(outcome=Outcome.NOT_SENT, reason=deaf)
            known, row = await self._working(session, withdraw.order, withdraw.broker_order_id)
            if known is None or row is None:
                return self._over(session, known, withdraw.order)
            keys = {"ticket": row.ticket}
            try:
                result = await desk.once(withdraw.client_id, "delete", keys, self._settings.lasts_s)
            except NotLeft as error:
                return Answer(outcome=Outcome.NOT_SENT, reason=str(error))
            return await self._changed(session, known, row, result)

    async def _working(
        self, session: Session, order: str, broker_order_id: str | None
    ) -> tuple[Known | None, Row | None]:
        """An order, and what works of it in the terminal; looked at again where nothing seems to."""
        known = find(session, order, broker_order_id)
        if known is None or known.working is None:
            with suppress(Behind):
                await session.fresh()
            known = find(session, order, broker_order_id)
        return known, None if known is None else known.working

    def _over(self, session: Session, known: Known | None, order: str) -> Answer:
        """The answer to a change of what does not work, and what has become of it."""
        if known is None:
            return Answer(outcome=Outcome.UNKNOWN, reason=f"the terminal does not tell of {order}")
        session.tell(list(session.book.reports_of(known)))
        return Answer(
            outcome=Outcome.REJECTED,
            broker_order_id=known.ticket or None,
            reason="the order does not work in the terminal any more",
        )

    async def _changed(self, session: Session, known: Known, row: Row, result: Result | None) -> Answer:
        """The answer to a change. One that was not done may have met the order's end."""
        if outcomes.is_not_done(result):
            with suppress(Behind):
                await session.fresh()
                if known.working is None:
                    return self._over(session, known, known.client_id)
        return outcomes.answer(result, str(row.ticket))

    async def replace(self, change: Change) -> Answer:
        """Asks for another price; what a terminal cannot change is refused."""
        session, desk = self.session, self._desk
        if session is None or desk is None:
            return Answer(outcome=Outcome.NOT_SENT, reason=_CLOSED)
        async with desk.turn:
            if (deaf := session.deaf()) is not None:
                return Answer(outcome=Outcome.NOT_SENT, reason=deaf)
            known, row = await self._working(session, change.order, change.broker_order_id)
            if known is None or row is None:
                return self._over(session, known, change.order)
            wrong = self._wrong(session, change, row)
            if wrong is not None:
                return Answer(outcome=Outcome.REJECTED, reason=wrong)
            keys = requests.modify_of(change, row)
            try:
                result = await desk.once(change.client_id, "modify", keys, self._settings.lasts_s)
            except NotLeft as error:
                return Answer(outcome=Outcome.NOT_SENT, reason=str(error))
            answer = await self._changed(session, known, row, result)
            if answer.outcome is Outcome.ACCEPTED:
                self._replaced(session, known, change)
            return answer

    def _wrong(self, session: Session, change: Change, row: Row) -> str | None:
        symbol, instrument = session.symbols.get(row.symbol), self._catalogue(session.theirs[row.symbol])
        if symbol is None or instrument is None:
            return f"symbol: the terminal does not tell of {row.symbol}"
        lots = None if change.quantity is None else lots_of(change.quantity, instrument, symbol)
        return wrong_change(change, row, lots, symbol)

    def _replaced(self, session: Session, known: Known, change: Change) -> None:
        known.accepted = change.client_id
        done = Replaced(
            broker=self._name,
            client_id=change.client_id,
            broker_order_id=known.ticket,
            limit_price=change.limit_price,
            stop_price=change.stop_price,
        )
        session.tell([done])

    async def lookup(self, client_id: str, broker_order_id: str | None = None) -> Lookup:
        """What the terminal knows; an absence is proven by the expert, which never does the request any more."""
        session, desk = self.session, self._desk
        if session is None or desk is None:
            return Lookup(presence=Presence.UNAVAILABLE, reason=_CLOSED)
        async with desk.turn:
            try:
                return await look_up(session, desk, client_id, broker_order_id)
            except Behind as behind:
                return Lookup(presence=Presence.UNAVAILABLE, reason=str(behind))

    async def open_orders(self) -> OpenOrders:
        """The orders of ours that work; those of others are not told."""
        session, as_of = self.session, self._clock.now()
        if session is None:
            return OpenOrders(as_of=as_of, complete=False)
        try:
            orders = await session.fresh()
        except Behind:
            return OpenOrders(as_of=as_of, complete=False)
        return OpenOrders(as_of=as_of, complete=True, client_ids=working_in(session, orders))

    async def statement(self, since: datetime) -> Statement:
        """What is open in the account, of everybody, and what orders of ours have executed since then."""
        session, as_of = self.session, self._clock.now()
        if session is None:
            return Statement(as_of=as_of, complete=False, why=_CLOSED)
        try:
            return statement_of(session, await session.fresh(), as_of, since)
        except Behind as behind:
            return Statement(as_of=as_of, complete=False, why=str(behind) or None)

    async def has_margin(self, symbol: str, quantity: Decimal) -> bool | None:
        """Whether what is free is enough to open that much, by the terminal's margin of a lot; None where the terminal
        does not tell now."""
        session, instrument = self.session, self._catalogue(symbol)
        if session is None or session.account is None or instrument is None or session.dead() is not None:
            return None
        there = session.symbols.get(self._settings.symbols.get(symbol, ""))
        if there is None:
            return None
        return lots_of(quantity, instrument, there) * there.margin <= session.account.free

    async def check(self) -> Health:
        """Looks at the folder, and changes nothing in it."""
        return await health_of(self._name, self._settings, self._clock, self._catalogue)

    async def instruments(self) -> dict[str, str]:
        """The table of the configuration that describes each symbol, by our name, as the terminal has it.

        Raises:
            StoreError: the folder cannot be read now, or the terminal does not tell of a symbol.
        """
        return await tables_of(self._name, self._settings)
