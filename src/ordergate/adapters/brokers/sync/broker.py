"""A class of somebody's own behind the broker port: called in one thread, looked at again and again."""

import asyncio
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog

from ordergate.adapters.brokers.sync import news
from ordergate.adapters.brokers.sync.notebook import Known, Notebook
from ordergate.adapters.brokers.sync.reading import Standing, Unreadable, cancel, free_margin, place, stand
from ordergate.adapters.brokers.sync.settings import LOOK_EVERY_MS, SyncSettings
from ordergate.adapters.brokers.sync.telling import account, tells
from ordergate.adapters.brokers.sync.ticket import Inexact, check_class, ticket_of
from ordergate.adapters.brokers.sync.worker import NotBegun, Overdue, Worker, lock_of
from ordergate.application.ports.brokers import (
    Answer,
    Capabilities,
    Change,
    Deduplication,
    Lookup,
    OpenOrders,
    Presence,
    Send,
    Sink,
    Withdraw,
)
from ordergate.application.ports.clock import Clock
from ordergate.domain.errors import StoreError
from ordergate.domain.identifiers import order_id_of
from ordergate.domain.money import is_sane
from ordergate.domain.orders.reports import Acknowledged, Answered, AnyReport, Outcome
from ordergate.domain.orders.states import OrderType, TimeInForce
from ordergate.domain.recon.statement import Statement
from ordergate.domain.risk.case import BrokerAccount

T = TypeVar("T")
_CLOSED: Final = "no session is open"
_TAKEN: Final = (Outcome.ACCEPTED, Outcome.REJECTED)
_log = structlog.get_logger("ordergate.brokers.sync")


class SyncBroker:
    """One account behind a class.

    Args:
        path: of the notebook that remembers what the class has said; memory, if None.
        made: the class's instance. It may say more of itself: `order_types` and `tifs` that it takes (else
            market orders, day and gtc), and `decimals = True` to get decimals and not floats. With `get_positions`,
            and perhaps `get_balances`, it tells of the account; see `telling`.

    Raises:
        ClassError: it lacks a method, or has an asynchronous one.
        ValueError: it names a type of order or time in force that there is not.
    """

    def __init__(self, name: str, settings: SyncSettings, path: Path | None, clock: Clock, made: Any) -> None:
        check_class(made)
        self._name, self._settings, self._clock, self._made = name, settings, clock, made
        self._look_every_ms = settings.poll_ms or LOOK_EVERY_MS
        self._decimals = bool(getattr(made, "decimals", False))
        self._deadline_s = settings.deadline_ms / 1000
        self._capabilities = _capabilities(made, settings)
        self._notebook = Notebook(name, path)
        self.account: BrokerAccount | None = None
        self._open: dict[str, Known] = {}
        self._sink: Sink | None = None
        self._worker: Worker | None = None
        self._polling: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """As orders and funds name it."""
        return self._name

    @property
    def made(self) -> object:
        """The instance that is called."""
        return self._made

    @property
    def capabilities(self) -> Capabilities:
        """As the class says."""
        return self._capabilities

    @property
    def taken_over(self) -> bool:
        """Never: a class of one's own has no sessions."""
        return False

    def look_every(self, milliseconds: int) -> None:
        """How long there is between two looks at what works from now on, where its own settings do not say."""
        self._look_every_ms = self._settings.poll_ms or milliseconds

    async def connect(self, sink: Sink, cursor: str | None) -> None:
        """Begins to look at what works, as far as it is named by `lookup`: the class has no list.

        Raises:
            StoreError: the notebook cannot be used, or is not the one that the journal was written with.
        """
        await self.close()
        self._notebook.open()
        for execution in self._notebook.after(cursor):
            sink.report(execution)
        self._sink, self._worker = sink, Worker(self._name, lock_of(self._made))
        await self._ask_margin()
        self._polling = asyncio.get_running_loop().create_task(self._poll())

    async def close(self) -> None:
        """Begins no more calls."""
        polling, self._polling = self._polling, None
        if polling is not None:
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)
        if self._worker is not None:
            self._worker.close()
        self._worker, self._sink, self.account = None, None, None
        self._open.clear()
        self._notebook.close()

    async def submit(self, send: Send) -> Answer:
        """Places an order."""
        wrong = self._wrong(send)
        if wrong is not None:
            return Answer(outcome=Outcome.REJECTED, reason=wrong)
        if self._worker is None:
            return Answer(outcome=Outcome.NOT_SENT, reason=_CLOSED)
        try:
            if self._find(send.client_id, None) is not None:
                return Answer(outcome=Outcome.DUPLICATE)
            ticket = ticket_of(send, decimals=self._decimals)
        except (Inexact, StoreError) as error:
            outcome = Outcome.REJECTED if isinstance(error, Inexact) else Outcome.NOT_SENT
            return Answer(outcome=outcome, reason=str(error))
        placing = partial(place, self._made, ticket)
        answer = await self._request(placing, send.client_id, send)
        self._keep(send, answer)
        return answer

    async def cancel(self, withdraw: Withdraw) -> Answer:
        """Asks the class to close an order, if that still works."""
        if self._worker is None:
            return Answer(outcome=Outcome.NOT_SENT, reason=_CLOSED)
        try:
            known = self._find(withdraw.order, withdraw.broker_order_id)
        except StoreError as error:
            return Answer(outcome=Outcome.NOT_SENT, reason=str(error))
        if known is None:
            reason = "the broker knows orders by its own ids, and has told none of this one"
            return Answer(outcome=Outcome.REJECTED, reason=reason)
        return await self._request(
            partial(cancel, self._made, known.broker_order_id), withdraw.client_id, None
        )

    async def replace(self, change: Change) -> Answer:
        """There is no such call."""
        return Answer(
            outcome=Outcome.REJECTED, reason="this broker changes no orders: cancel and make a new one"
        )

    async def lookup(self, client_id: str, broker_order_id: str | None = None) -> Lookup:
        """What the class says of an order; it is looked at until its end from here on."""
        if self._worker is None:
            return Lookup(presence=Presence.UNAVAILABLE, reason=_CLOSED)
        try:
            known = self._find(client_id, broker_order_id)
            if known is None:
                reason = "the broker knows orders by its own ids, and has told none of this one"
                return Lookup(presence=Presence.UNPROVEN, reason=reason)
            self._open[known.name] = known
            end = self._tell(known, await self._stand(known))
        except (Unreadable, NotBegun, Overdue, StoreError) as error:
            return Lookup(presence=Presence.UNAVAILABLE, reason=str(error))
        there = Acknowledged(
            broker=self._name, client_id=known.client_id, broker_order_id=known.broker_order_id
        )
        ends = () if end is None else (end,)
        return Lookup(presence=Presence.FOUND, reports=(there, *known.executions, *ends))

    async def open_orders(self) -> OpenOrders:
        """Never complete: the class has no list."""
        return OpenOrders(as_of=self._clock.now(), complete=False)

    async def statement(self, since: datetime) -> Statement:
        """What the class says of positions and money; it has no list of executions."""
        asked_at = self._clock.now()
        try:
            if self._worker is None:
                raise NotBegun(_CLOSED)
            asking = partial(account, self._made)
            positions, balances = await self._worker.call(asking, self._deadline_s, lambda _late: None)
        except (Unreadable, NotBegun, Overdue) as error:
            return Statement(as_of=asked_at, complete=False, why=str(error))
        return Statement(as_of=asked_at, complete=True, positions=positions, balances=balances)

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

    def _find(self, client_id: str, broker_order_id: str | None) -> Known | None:
        """The order as it is known; the journal's word on its id counts before the notebook's."""
        name = order_id_of(client_id)
        known = self._open.get(name) or self._notebook.find(name)
        if broker_order_id is None or (known is not None and known.broker_order_id == broker_order_id):
            return known
        known = Known(name, client_id, broker_order_id)
        known.executions = self._notebook.executions(name)
        return known

    async def _request(self, job: Any, client_id: str, send: Send | None) -> Answer:
        if self._worker is None:
            return Answer(outcome=Outcome.NOT_SENT, reason=_CLOSED)
        loop = asyncio.get_running_loop()

        def late(answer: Answer) -> None:
            with suppress(RuntimeError):  # the loop may be gone: then the next run settles it
                loop.call_soon_threadsafe(self._late, client_id, send, answer)

        try:
            answer: Answer = await self._worker.call(job, self._deadline_s, late)
        except NotBegun as error:
            return Answer(outcome=Outcome.NOT_SENT, reason=str(error))
        except Overdue as error:
            return Answer(outcome=Outcome.UNKNOWN, reason=str(error))
        return answer

    def _late(self, client_id: str, send: Send | None, answer: Answer) -> None:
        """An answer after its deadline still proves what it proves."""
        if self._sink is None:
            return
        if send is not None:
            self._keep(send, answer)
        if answer.outcome in _TAKEN:
            said = Answered(
                broker=self._name,
                client_id=client_id,
                broker_order_id=answer.broker_order_id,
                outcome=answer.outcome,
                reason=answer.reason,
                raw=answer.raw,
            )
            self._sink.report(said)

    def _keep(self, send: Send, answer: Answer) -> None:
        if answer.broker_order_id is None or self._sink is None:
            return
        known = Known(order_id_of(send.client_id), send.client_id, answer.broker_order_id, send.quantity)
        self._open[known.name] = known
        try:
            self._notebook.placed(known)
        except StoreError as error:  # the answer names the order too, and the journal keeps that
            _log.error("an order was not noted", broker=self._name, error=str(error))

    async def _poll(self) -> None:
        while True:
            await self._clock.sleep(self._look_every_ms / 1000)
            await self._ask_margin()
            for known in list(self._open.values()):
                try:
                    end = self._tell(known, await self._stand(known))
                except (Unreadable, NotBegun, Overdue, StoreError) as error:
                    _log.warning("an order could not be looked at", broker=self._name, error=str(error))
                except Exception:  # whatever it is, the others must be looked at
                    _log.exception("an order could not be looked at", broker=self._name)
                else:
                    self._say(end)

    async def _ask_margin(self) -> None:
        """What the class says of the account; a figure that it does not repeat grows old."""
        if self._worker is None or not hasattr(self._made, "free_margin"):
            return
        try:
            free = await self._worker.call(
                partial(free_margin, self._made), self._deadline_s, lambda _late: None
            )
        except (Unreadable, NotBegun, Overdue) as error:
            _log.warning("the account could not be looked at", broker=self._name, error=str(error))
            return
        if free is not None:
            currency = str(getattr(self._made, "currency", "USD"))
            self.account = BrokerAccount(currency=currency, free_margin=free, at=self._clock.now())

    async def _stand(self, known: Known) -> Standing:
        if self._worker is None:
            raise NotBegun(_CLOSED)
        asking = partial(stand, self._made, known.broker_order_id)
        return await self._worker.call(asking, self._deadline_s, lambda _late: None)

    def _tell(self, known: Known, standing: Standing) -> AnyReport | None:
        """Tells what was filled since, and gives the order's end, which is not told yet.

        Raises:
            Unreadable: what the class says cannot be.
            StoreError: it cannot be noted, so it is not told either.
        """
        execution = news.execution(self._name, known, standing, self._clock.now())
        if execution is not None and not execution.price:
            if known.complained != execution.quantity:  # becomes a break, for a person to see
                known.complained = execution.quantity
                self._say(execution)
            raise Unreadable(f"get_order_status: {execution.quantity} filled without a price")
        if execution is not None:
            execution = self._notebook.executed(known.name, execution)
            known.executions.append(execution)
            self._say(execution)
        end = news.end(self._name, known, standing)
        if end is not None:
            self._open.pop(known.name, None)
        return end

    def _say(self, report: AnyReport | None) -> None:
        if report is not None and self._sink is not None:
            self._sink.report(report)


def _capabilities(made: object, settings: SyncSettings) -> Capabilities:
    types = getattr(made, "order_types", None) or (OrderType.MARKET,)
    tifs = getattr(made, "tifs", None) or (TimeInForce.DAY, TimeInForce.GTC)
    return Capabilities(
        order_types=frozenset(OrderType(kind) for kind in types),
        tifs=frozenset(TimeInForce(tif) for tif in tifs),
        deduplication=Deduplication.NONE,
        proves_absence=False,
        grace_s=settings.grace_ms / 1000,
        replaces=False,
        calls=1,
        lists=False,
        statements=tells(made),
    )
