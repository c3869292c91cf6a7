"""One wallet of an account at an exchange, reached through ccxt."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

import structlog

from ordergate.adapters.brokers.ccxt import steps
from ordergate.adapters.brokers.ccxt.account import statement_of
from ordergate.adapters.brokers.ccxt.finding import Submits, find, reports_of, seen_at
from ordergate.adapters.brokers.ccxt.health import health_of
from ordergate.adapters.brokers.ccxt.known import known_of, theirs
from ordergate.adapters.brokers.ccxt.library import CALL, Credentials, check_usable, exchange_of
from ordergate.adapters.brokers.ccxt.outcomes import Evidence, Rest, Resting, names_of, outcome_of, reason_of
from ordergate.adapters.brokers.ccxt.reading import (
    Found,
    Place,
    ms_of,
    order_in,
)
from ordergate.adapters.brokers.ccxt.sessions import Session
from ordergate.adapters.brokers.ccxt.settings import CcxtSettings
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
from ordergate.domain.money import text
from ordergate.domain.orders.reports import INSUFFICIENT_MARGIN, Outcome
from ordergate.domain.orders.states import OrderType
from ordergate.domain.recon.statement import Statement
from ordergate.domain.risk.case import BrokerAccount

_CLOSED: Final = "no session is open"
_FIRST_S: Final = 3.0
"""How long the beginning of a session waits for the exchange."""
_SPARE_S: Final = 2.0
"""Beyond the deadline, for ccxt's own rate limiter."""
_log = structlog.get_logger("ordergate.brokers.ccxt")

Make = Callable[[CcxtSettings, Credentials], Any]


class CcxtBroker:
    """One wallet at an exchange.

    Args:
        make: makes an exchange object of ccxt's.

    Raises:
        ExchangeError: ccxt is missing, or cannot trade there.
    """

    def __init__(
        self,
        name: str,
        settings: CcxtSettings,
        credentials: Credentials,
        clock: Clock,
        make: Make = exchange_of,
    ) -> None:
        check_usable(settings.exchange)
        self._name, self._settings, self._credentials, self._clock = name, settings, credentials, clock
        self._make, self._known = make, known_of(settings.exchange)
        self._capabilities = settings.capabilities()
        self.session: Session | None = None
        self._sent = Submits(settings)
        self._rest = Rest()

    @property
    def name(self) -> str:
        """As orders and funds name it."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """What is known of the exchange."""
        return self._capabilities

    @property
    def taken_over(self) -> bool:
        """Never: an exchange serves every session of a key."""
        return False

    @property
    def account(self) -> BrokerAccount | None:
        """What is free for margin, of perpetuals, as it was told last."""
        return None if self.session is None else self.session.account

    async def connect(self, sink: Sink, cursor: str | None) -> None:
        """Begins to follow the account; where the exchange is away, as soon as it is there.

        Raises:
            LoginRefused: the exchange does not know who we are.
        """
        await self.close()
        session = Session(self._name, self._settings, self._exchange, self._rest, sink, cursor)
        self.session = session
        session.start()
        with suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_S):
                await session.decided.wait()
        if session.refused is not None:
            await self.close()
            raise LoginRefused(session.refused)

    def _exchange(self) -> Any:
        exchange = self._make(self._settings, self._credentials)
        exchange.rest = self._rest
        return exchange

    async def close(self) -> None:
        """Follows no more; what works at the exchange goes on working."""
        session, self.session = self.session, None
        if session is not None:
            await session.close()

    async def submit(self, send: Send) -> Answer:
        """Sends an order."""
        session, wrong = self.session, self._wrong(send)
        if wrong is not None:
            return Answer(outcome=Outcome.REJECTED, reason=wrong)
        if (deaf := self._deaf(session)) is not None or session is None:
            return Answer(outcome=Outcome.NOT_SENT, reason=deaf)
        link, said = session.link, theirs(send.client_id, self._known)
        market = link.market(send.symbol)
        if market is None:
            return Answer(
                outcome=Outcome.REJECTED, reason=f"symbol: the exchange has no market {send.symbol}"
            )
        wrong = steps.wrong(send, market, int(link.exchange.precisionMode))
        if wrong is not None:
            return Answer(outcome=Outcome.REJECTED, reason=wrong)
        self._sent.begin(send.client_id, send.symbol)
        limit = send.order_type is OrderType.LIMIT and send.limit_price is not None
        arguments = (
            send.symbol,
            send.order_type.value,
            "buy" if send.side.sign > 0 else "sell",
            text(send.quantity / steps.contract_size(market)),
            text(send.limit_price)
            if limit and send.limit_price is not None
            else None,  # a market order has none
            {"clientOrderId": said, **({"timeInForce": send.tif.upper()} if limit else {})},
        )
        try:
            answer, placed = await self._call(lambda: link.exchange.create_order(*arguments))
        finally:
            self._sent.end(send.client_id, link.server_ms())
        if placed is not None:
            place = _placed(placed, send.symbol)
            if place is None:
                return Answer(outcome=Outcome.UNKNOWN, reason="the answer names no order", raw=answer.raw)
            session.telling.learn(place, send.client_id)
            return Answer(outcome=Outcome.ACCEPTED, broker_order_id=place.name, raw=answer.raw)
        return answer

    def _wrong(self, send: Send) -> str | None:
        """Why an order is none for here, as far as the exchange need not be asked."""
        if send.symbol not in self._settings.symbols:
            known = ", ".join(self._settings.symbols)
            return f"symbol: {send.symbol} is not traded here: brokers.{self._name}.symbols has {known}"
        if not send.operation.is_trade:
            return f"operation: an exchange trades, it does no {send.operation}"
        if send.order_type not in self._capabilities.order_types:
            return f"order_type: this broker takes no {send.order_type} orders"
        if send.tif not in self._capabilities.tifs:
            return f"tif: this broker takes no {send.tif} orders"
        if theirs(send.client_id, self._known) is None:
            return f"order_id: {self._settings.exchange} takes no {send.client_id}: let ordergate make the order's id"
        return None

    def _deaf(self, session: Session | None) -> str | None:
        """Why nothing is sent now; None where it is. What trades must be heard of."""
        if session is None:
            return _CLOSED
        if not session.there.is_set():
            return f"the account cannot be followed: {session.why or 'the exchange was not reached yet'}"
        try:
            self._rest.check()
        except Resting as resting:
            return str(resting)
        return None

    async def _call(self, ask: Callable[[], Any]) -> tuple[Answer, Any]:
        """How a request ended; what was answered where it went well."""
        evidence = Evidence(once=True)
        token = CALL.set(evidence)
        try:
            async with asyncio.timeout(self._settings.deadline_ms / 1000 + _SPARE_S):
                done = await ask()
        except Exception as error:  # of ccxt's many kinds, and those of reading an answer
            outcome = outcome_of(error, evidence, self._known)
            wait_s = evidence.wanted_s or self._rest.left_s or None
            reason = reason_of(error)
            if outcome is Outcome.REJECTED and "InsufficientFunds" in names_of(error):
                reason = f"{INSUFFICIENT_MARGIN}: {reason}"
            said = Answer(outcome=outcome, reason=reason, raw=evidence.body, retry_after_s=wait_s)
            return said, None
        finally:
            CALL.reset(token)
        if evidence.said is None:  # ccxt makes an order of nothing of what it cannot read
            return Answer(
                outcome=Outcome.UNKNOWN, reason="the answer cannot be read", raw=evidence.body
            ), None
        return Answer(outcome=Outcome.ACCEPTED, raw=evidence.body), done

    async def cancel(self, withdraw: Withdraw) -> Answer:
        """Asks for a cancel. "Not found" proves nothing by itself: the order is looked at."""
        session = self.session
        if session is None or session.link is None:
            return Answer(outcome=Outcome.NOT_SENT, reason=_CLOSED)
        if not session.begun:
            return Answer(outcome=Outcome.NOT_SENT, reason=self._deaf(session))
        link = session.link
        try:
            found = await find(session, self._sent, withdraw.order, withdraw.broker_order_id)
        except Exception as error:
            seen = seen_at(session, withdraw.order, withdraw.broker_order_id)
            if seen is None:
                wait_s = self._rest.left_s or None
                return Answer(outcome=Outcome.NOT_SENT, reason=reason_of(error), retry_after_s=wait_s)
            answer, _done = await self._call(lambda: link.exchange.cancel_order(seen.id, seen.symbol))
            return answer
        if found is None:
            return Answer(outcome=Outcome.UNKNOWN, reason=f"the exchange does not tell of {withdraw.order}")
        if not found.works:
            return await self._over(session, found)
        place = found.place
        answer, done = await self._call(lambda: link.exchange.cancel_order(place.id, place.symbol))
        if done is not None:
            await self._canceled(session, found, done)
        if answer.outcome is Outcome.UNKNOWN and (answer.reason or "").startswith("OrderNotFound"):
            gone = await self._looked(session, place)
            if gone is not None and not gone.works:
                return await self._over(session, gone)
        return answer

    async def _canceled(self, session: Session, found: Found, done: Any) -> None:
        """Tells the end that the answer to a cancel has: one that the stream loses may be listed no more."""
        with suppress(Exception):  # else the stream or a look tells it
            ours = theirs(found.client_id or "", self._known)  # the answer can name the cancel's own id
            said = order_in(
                {**done, "clientOrderId": ours}, session.link.market(found.place.symbol) or {}, self._known
            )
            if said.place == found.place and not said.works and said.filled >= found.filled:
                await session.telling.order(said)

    async def _over(self, session: Session, found: Found) -> Answer:
        """The answer to a change of an order that has ended, and what it did."""
        with suppress(Exception):  # it is told by the next look at the latest
            await session.telling.order(found)
        return Answer(
            outcome=Outcome.REJECTED,
            broker_order_id=found.place.name,
            reason=f"the order is {found.status} at the exchange",
        )

    async def _looked(self, session: Session, place: Place) -> Found | None:
        with suppress(Exception):
            return await session.link.if_there(place)
        return None

    async def replace(self, change: Change) -> Answer:
        """Not done: no exchange that was tried changes an order so that an unanswered change could be settled."""
        reason = "this broker changes no orders: cancel and make a new one"
        return Answer(outcome=Outcome.REJECTED, reason=reason)

    async def lookup(self, client_id: str, broker_order_id: str | None = None) -> Lookup:
        """What the exchange knows. An absence is proven only once the request can no longer arrive."""
        return await self._look_up(None, client_id, broker_order_id)

    async def lookup_in(self, symbol: str, client_id: str, broker_order_id: str | None = None) -> Lookup:
        """Likewise, of an order in that symbol: one question, and not one a symbol."""
        return await self._look_up(symbol, client_id, broker_order_id)

    async def _look_up(self, symbol: str | None, client_id: str, broker_order_id: str | None) -> Lookup:
        session = self.session
        if session is None or not session.begun:
            return Lookup(presence=Presence.UNAVAILABLE, reason=self._deaf(session))
        try:
            over = await self._sent.are_over(session, client_id)
            found = await find(session, self._sent, client_id, broker_order_id, symbol)
            if found is None:
                absent = over and self._capabilities.proves_absence
                return Lookup(presence=Presence.ABSENT if absent else Presence.UNPROVEN)
            reports = await reports_of(session, found, self._name)
        except Exception as error:
            return Lookup(presence=Presence.UNAVAILABLE, reason=reason_of(error))
        return Lookup(presence=Presence.FOUND, reports=reports)

    async def open_orders(self) -> OpenOrders:
        """The orders of ours that work; those of others are not told."""
        session, as_of = self.session, self._clock.now()
        if session is None or not session.begun:
            return OpenOrders(as_of=as_of, complete=False)
        symbols = session.link.there(self._settings.symbols)
        try:
            listed = [
                found for symbol in symbols for found in await session.link.working(symbol) if found.works
            ]
        except Exception as error:
            _log.warning("open orders could not be listed", broker=self._name, error=reason_of(error))
            return OpenOrders(as_of=as_of, complete=False)
        ours = frozenset(found.client_id for found in listed if found.client_id is not None)
        return OpenOrders(as_of=as_of, complete=symbols == self._settings.symbols, client_ids=ours)

    async def statement(self, since: datetime) -> Statement:
        """What is in the account, and what was executed since then, at most a week back."""
        session, now = self.session, self._clock.now()
        if session is None or not session.begun:
            return Statement(as_of=now, complete=False, why=self._deaf(session))
        try:
            return await statement_of(self._name, self._settings, session.link, session.telling, ms_of(since))
        except Exception as error:
            return Statement(as_of=now, complete=False, why=reason_of(error))

    async def check(self) -> Health:
        """Asks the exchange, read-only."""
        return await health_of(self._name, self._settings, self._exchange)


def _placed(said: Any, symbol: str) -> Place | None:
    id_ = said.get("id") if isinstance(said, dict) else None
    return Place(symbol, id_) if isinstance(id_, str) and id_ else None
