"""A broker behind NATS: a connector in another process has the account, and we speak with it over subjects."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar

import structlog

from ordergate.adapters.brokers.bus import wire
from ordergate.adapters.brokers.bus.calling import Call, NotAnswered, NotAsked
from ordergate.adapters.brokers.bus.doubts import Doubts
from ordergate.adapters.brokers.bus.following import Reports
from ordergate.adapters.brokers.bus.health import health_of
from ordergate.adapters.brokers.bus.naming import Names, remember
from ordergate.adapters.brokers.bus.reading import Came, Unreadable, reports_of
from ordergate.adapters.brokers.bus.settings import BusSettings, Way, reported_on, subjects_of
from ordergate.adapters.nats.connection import Connection
from ordergate.adapters.nats.letters import DeadLetters
from ordergate.application import tallying
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
from ordergate.domain.identifiers import order_id_of
from ordergate.domain.money import is_sane
from ordergate.domain.orders.reports import Answered, AnyReport, Ended, Outcome, RequestRefused
from ordergate.domain.orders.states import RequestKind
from ordergate.domain.recon.statement import Statement
from ordergate.protocols.subjects import token

T = TypeVar("T")
LARGEST: Final = 65_536
"""Bytes of a report."""
_CLOSED: Final = "no session is open"
_FIRST_S: Final = 3.0
"""How long the beginning of a session waits for the server."""
_log = structlog.get_logger("ordergate.brokers.bus")


class BusBroker:
    """One account behind a connector.

    Args:
        connection: of its own; see `Connection`. It must not buffer: what cannot be sent now was not sent.
        letters: where what is no report goes.
    """

    def __init__(
        self, name: str, settings: BusSettings, connection: Connection, letters: DeadLetters, clock: Clock
    ) -> None:
        self._name, self._settings, self._clock = name, settings, clock
        self._connection, self._letters = connection, letters
        self._subjects = subjects_of(name, settings)
        self._capabilities = settings.capabilities()
        self._deadline_s = settings.deadline_ms / 1000
        self._call = Call(connection, self._deadline_s)
        self.reports = Reports(
            connection,
            settings.stream or f"ORDERGATE_BROKER_{token(name)}",
            reported_on(name, settings),
            settings.kept_s,
            self._take,
        )
        self._sink: Sink | None = None
        self._following: asyncio.Task[None] | None = None
        self._greeted = False
        self._lacks: str | None = None
        self._began = 0.0
        self._sent: dict[str, float] = {}
        self._names = Names(published=settings.sends is Way.PUBLISH)
        self._doubts = Doubts(name, self._look_up, self._names.was_sent, self._tell)

    @property
    def name(self) -> str:
        """As orders and funds name it."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """As configured; the connector must say the same."""
        return self._capabilities

    @property
    def taken_over(self) -> bool:
        """Never: a connector serves whoever asks."""
        return False

    async def connect(self, sink: Sink, cursor: str | None) -> None:
        """Follows what the connector says; where the server is away, as soon as it is there."""
        await self.close()
        self._sink, self._greeted = sink, False
        loop = asyncio.get_running_loop()
        self._began = loop.time()
        self._following = loop.create_task(self.reports.run(cursor))
        with suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_S):
                await self.reports.there.wait()

    async def close(self) -> None:
        """Follows no more; what works at the broker goes on working."""
        following, self._following = self._following, None
        if following is not None:
            await stopped(following)
        self._sink = None
        await self._doubts.close()
        await self._connection.close()

    async def submit(self, send: Send) -> Answer:
        """Sends an order."""
        wrong = self._wrong(send)
        if wrong is not None:
            return Answer(outcome=Outcome.REJECTED, reason=wrong)
        if (deaf := self._deaf()) is not None:
            return deaf
        async with self._names.submitting(send.client_id):
            if self._settings.sends is Way.PUBLISH:
                return await self._publish(self._order(send))
            self._leaves(send)
            answer = await self._request("submit", lambda: self._order(send))
            self._names.answered(answer.broker_order_id, send.client_id)
            if answer.outcome is Outcome.ACCEPTED:
                self._names.acknowledged(send.client_id)
            return answer

    async def cancel(self, withdraw: Withdraw) -> Answer:
        """Asks for a cancel."""
        return await self._change(RequestKind.CANCEL, withdraw)

    async def replace(self, change: Change) -> Answer:
        """Asks for new terms."""
        if not self._capabilities.replaces:
            reason = "this broker changes no orders: cancel and make a new one"
            return Answer(outcome=Outcome.REJECTED, reason=reason)
        return self._deaf() or await self._change(RequestKind.REPLACE, change)

    async def _change(self, verb: RequestKind, change: Change | Withdraw) -> Answer:
        if self._settings.sends is Way.PUBLISH:
            reason = f'orders are only published to this broker: there is no {verb} without sends = "request"'
            return Answer(outcome=Outcome.REJECTED, reason=reason)
        self._names.changing(verb, change)
        return await self._request(verb, lambda: wire.change_out(change, self._valid_until()))

    async def lookup(self, client_id: str, broker_order_id: str | None = None) -> Lookup:
        """What the connector knows. It proves an absence only after whatever was sent can no longer turn up."""
        if self._settings.sends is Way.PUBLISH:
            return Lookup(presence=Presence.UNPROVEN, reason="orders are only published to this broker")
        return await self._look_up(client_id, broker_order_id)

    async def _look_up(self, client_id: str | None, broker_order_id: str | None) -> Lookup:
        order_id = None if client_id is None else order_id_of(client_id)
        question = wire.LookupOut(order_id=order_id, client_id=client_id, broker_order_id=broker_order_id)
        found = await self._asked("lookup", question, wire.LookupIn)
        if isinstance(found, str):
            return Lookup(presence=Presence.UNAVAILABLE, reason=found)
        if found.presence is Presence.ABSENT and not self._proves(client_id):
            return Lookup(presence=Presence.UNPROVEN, reason=found.reason)
        if found.presence is not Presence.FOUND:
            return Lookup(presence=found.presence, reason=found.reason)
        reports = tuple(wire.report_of(said, self._name) for said in found.reports)
        for report in reports:
            self._names.found(report)
        return Lookup(presence=Presence.FOUND, reports=reports)

    def _proves(self, client_id: str | None) -> bool:
        """Whether what is absent now stays absent: the grace is never shorter than a request is valid."""
        since = self._began if client_id is None else self._sent.get(client_id, self._began)
        waited = asyncio.get_running_loop().time() - since
        return self._capabilities.proves_absence and waited >= self._capabilities.grace_s

    async def open_orders(self) -> OpenOrders:
        """What works at the broker now."""
        as_of = self._clock.now()
        if not self._capabilities.lists:
            return OpenOrders(as_of=as_of, complete=False)
        said = await self._asked("open", {}, wire.OpenIn)
        if isinstance(said, str):
            _log.warning("open orders could not be asked for", broker=self._name, error=said)
            return OpenOrders(as_of=as_of, complete=False)
        return OpenOrders(as_of=as_of, complete=said.complete, client_ids=said.client_ids)

    async def statement(self, since: datetime) -> Statement:
        """What is in the account, and what was executed since then."""
        as_of = self._clock.now()
        said = await self._asked("statement", wire.StatementOut(since=since), wire.StatementIn)
        if isinstance(said, str):
            return Statement(as_of=as_of, complete=False, why=said)
        executions = said.executions
        return Statement(
            as_of=as_of,
            complete=said.complete,
            positions=said.positions,
            balances=said.balances,
            paid_in=said.paid_in,
            working=said.working,
            executions=None
            if executions is None
            else tuple(wire.report_of(one, self._name) for one in executions),  # type: ignore[misc]
            executions_since=said.executions_since,
        )

    async def check(self) -> Health:
        """How the connector is, when it is only asked."""
        return await health_of(self._call, self._subjects, self._settings.sends, self._capabilities)

    def _leaves(self, send: Send) -> None:
        remember(self._sent, send.client_id, asyncio.get_running_loop().time())

    def _order(self, send: Send) -> wire.OrderOut:
        """As it leaves now; the greeting may have taken a while."""
        self._leaves(send)
        return wire.order_out(send, self._valid_until())

    def _valid_until(self) -> datetime:
        return self._clock.now() + timedelta(seconds=self._deadline_s)

    def _wrong(self, send: Send) -> str | None:
        if send.operation not in self._capabilities.operations:
            return f"this broker does no {send.operation}"
        if send.order_type not in self._capabilities.order_types:
            return f"this broker takes no {send.order_type} orders"
        if send.tif not in self._capabilities.tifs:
            return f"this broker takes no {send.tif} orders"
        prices = ((send.limit_price, send.order_type.has_limit), (send.stop_price, send.order_type.has_stop))
        numbers: list[Decimal | None] = [send.quantity, *(price for price, needed in prices if needed)]
        if any(number is None or not is_sane(number) or number <= 0 for number in numbers):
            return f"a number is missing or not above zero: {', '.join(map(str, numbers))}"
        return None

    def _deaf(self) -> Answer | None:
        """What an order is answered while nobody would hear of its fills; None while reports are followed."""
        if self._sink is None or self.reports.there.is_set():
            return None
        why = self.reports.why or "the server was not asked yet"
        return Answer(outcome=Outcome.NOT_SENT, reason=f"the broker's reports cannot be followed: {why}")

    async def _request(self, verb: str, question: Callable[[], Any]) -> Answer:
        """How a request ended. Whatever may have left and is not answered is unknown."""
        if self._sink is None:
            return Answer(outcome=Outcome.NOT_SENT, reason=_CLOSED)
        try:
            await self._greet()
        except (NotAsked, NotAnswered) as error:
            return Answer(outcome=Outcome.NOT_SENT, reason=f"the connector is away: {error}")
        try:
            raw, said = await self._call.ask(self._subjects.call(verb), question(), wire.AnswerIn)
        except NotAsked as error:
            return Answer(outcome=Outcome.NOT_SENT, reason=str(error))
        except NotAnswered as error:
            self._greeted = False
            return Answer(outcome=Outcome.UNKNOWN, reason=str(error))
        if said.outcome is Outcome.NOT_SENT:  # only we can know that
            return Answer(outcome=Outcome.UNKNOWN, reason=said.reason, raw=raw)
        return Answer(outcome=said.outcome, broker_order_id=said.broker_order_id, reason=said.reason, raw=raw)

    async def _asked(self, verb: str, question: Any, kind: type[T]) -> T | str:
        """What the connector says, or why it says nothing."""
        if self._sink is None:
            return _CLOSED
        try:
            _raw, said = await self._call.ask(self._subjects.call(verb), question, kind)
        except (NotAsked, NotAnswered) as error:
            return str(error)
        return said

    async def _greet(self) -> None:
        """Once a session, and after every silence: the connector says what it can do.

        Raises:
            NotAsked, NotAnswered: it does not, or it can do less than is configured.
        """
        if self._greeted:
            return
        _raw, said = await self._call.ask(self._subjects.call("hello"), wire.HelloOut(), wire.HelloIn)
        lacks = wire.lacking(self._capabilities, said)
        if lacks is not None:
            if lacks != self._lacks:
                _log.error("the connector is not as configured", broker=self._name, why=lacks)
            self._lacks = lacks
            raise NotAsked(f"the connector {lacks}")
        self._lacks = None
        self._greeted = True

    async def _publish(self, order: wire.OrderOut) -> Answer:
        if self._sink is None:
            return Answer(outcome=Outcome.NOT_SENT, reason=_CLOSED)
        try:
            known = await self._call.put(self._subjects.order(order.symbol), order, order.client_id)
        except NotAsked as error:
            return Answer(outcome=Outcome.NOT_SENT, reason=str(error))
        except NotAnswered as error:
            return Answer(outcome=Outcome.UNKNOWN, reason=str(error))
        return Answer(outcome=Outcome.DUPLICATE if known else Outcome.ACCEPTED)

    async def _take(self, came: Came) -> None:
        """Tells what a message says; what says nothing becomes a dead letter, once that is kept."""
        try:
            if len(came.data) > LARGEST:
                raise Unreadable("body_too_large", f"{len(came.data)} bytes: at most {LARGEST} are read")
            report = await self._names.named(reports_of(self._name, self._subjects, came))
        except Unreadable as wrong:
            if not await self._letters.is_told(came.subject, came.place, came.at):
                await self._letters.bury(
                    came.subject, came.data, came.headers, came.place, came.at, wrong.code, wrong.reason
                )
            tallying.messages[f"broker {self._name}", "dead"] += 1
            return
        if self._sink is not None:
            tallying.messages[f"broker {self._name}", "done"] += 1
            self._hand_on(report)

    def _hand_on(self, report: AnyReport) -> None:
        """Tells it; an error that has only the broker's name of an order is looked up instead, to learn whose it is.

        After errors of acknowledged orders, too, we look them up: the engine does not.
        """
        name = report.client_id
        if not isinstance(report, (Answered, RequestRefused)):
            self._tell(report)
            if name is not None:
                self._names.acknowledged(name)
            if name is not None and isinstance(report, Ended):
                self._doubts.ended(name)
        elif self._settings.sends is Way.PUBLISH:
            self._tell(report)
        elif name is None:
            self._doubts.raised(report)
        else:
            self._tell(report)
            if isinstance(report, Answered) and not self._names.is_unanswered(name):
                self._doubts.raised(report)

    def _tell(self, report: AnyReport) -> None:
        if self._sink is not None:
            self._sink.report(report)
