"""The dispatcher of one broker: performs the requests that were committed as sent, and reports the answers.

It has no cursor and no memory of its own: it acts on the state of orders, and only on requests that were
committed in this run. Whatever else is unanswered belongs to settlement. Requests of one order go one after
the other.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import structlog

from ordergate.application.deadlines import Deadline
from ordergate.application.decide.resending import barred
from ordergate.application.entry import Entry
from ordergate.application.fitting import fitted
from ordergate.application.health import BrokerHealth
from ordergate.application.lines import Lines, Rank, Waiting, rank_of
from ordergate.application.ownership import Tenure
from ordergate.application.pacing import Pace
from ordergate.application.ports.brokers import Answer, Broker, Change, Send, Withdraw
from ordergate.application.ports.clock import Clock
from ordergate.application.runner import Runner
from ordergate.domain.errors import Defect, OutcomeUnknown, StoreError
from ordergate.domain.orders.events import OrderEntered, OrderJudged, OrderSent, RequestOpened
from ordergate.domain.orders.order import Order, Request
from ordergate.domain.orders.reports import Answered, Outcome
from ordergate.domain.orders.rerouting import OrderRerouted
from ordergate.domain.orders.states import Phase, Protection, RequestKind, State, TimeInForce

DEADLINE_S: Final = 30.0
DRAIN_S: Final = 5.0
_log = structlog.get_logger("ordergate.dispatch")


class Dispatcher:
    """Calls one broker, at most `capabilities.calls` at once, and `cancel_calls` beside them for cancels alone.

    Args:
        epoch: of the session that it sends in; requests of another epoch are not its own.
        tenure: of the session's lease; nothing is sent once it is over.
        health: is told how calls end.
        most_per_s: calls a second at most; None is any number.
    """

    def __init__(
        self,
        broker: Broker,
        runner: Runner,
        epoch: int,
        tenure: Tenure,
        health: BrokerHealth,
        clock: Clock,
        most_per_s: int | None = None,
    ) -> None:
        self._broker, self._runner, self._epoch, self._tenure = broker, runner, epoch, tenure
        self._clock = clock
        self._health, self._pace = health, Pace(most_per_s, health)
        self._lines = Lines()
        self._workers: dict[asyncio.Task[None], Rank] = {}  # in the order in which they began
        self._deadline = Deadline(DEADLINE_S)
        runner.listen(self._committed)

    @property
    def busy(self) -> bool:
        """Whether a call is under way or waits for its turn."""
        return bool(self._lines)

    def _committed(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            request = request_of(entry)
            if request is not None and request.epoch == self._epoch:
                self._wake(entry.order_id or "", request)

    def _wake(self, order_id: str, request: Request) -> None:
        order = self._runner.engine.state.orders.get(order_id)
        if order is None or order.broker != self._broker.name:
            return
        self._lines.put(Waiting(order_id, request.number, rank_of(order, request)))
        self._employ()

    def _employ(self) -> None:
        """One more worker, where there is something that one may do."""
        can, at_work = self._broker.capabilities, list(self._workers.values())
        if self._lines.has(Rank.REST) and at_work.count(Rank.REST) < can.calls:
            self._begin(Rank.REST)
        elif self._lines.has(Rank.CANCEL) and at_work.count(Rank.CANCEL) < can.cancel_calls:
            self._begin(Rank.CANCEL)

    def _begin(self, most: Rank) -> None:
        worker = asyncio.get_running_loop().create_task(self._work(most))
        self._workers[worker] = most
        worker.add_done_callback(self._finished)

    def _finished(self, worker: asyncio.Task[None]) -> None:
        self._workers.pop(worker, None)
        failure = None if worker.cancelled() else worker.exception()
        if failure is not None:
            self._runner.fail(failure)
        else:
            self._employ()  # something may have come since it looked last

    async def _work(self, most: Rank) -> None:
        """Calls as long as something of that rank, or before it, waits."""
        while self._lines.has(most):
            await self._pace.turn()
            waiting = self._lines.take(most)
            if waiting is None:
                return
            await self._perform(waiting.order_id, waiting.number)
            self._lines.done(waiting.order_id)
            if most is not Rank.REST:
                self._employ()  # what waited behind a cancel may be another's to do

    async def _perform(self, order_id: str, number: int) -> None:
        order = self._runner.engine.state.orders.get(order_id)
        request = self._request(order_id, number)
        if order is None or request is None or not self._may_send(request):
            return
        bar = self._bar(order, request)
        if bar is not None:
            never = Outcome.NOT_SENT if request.kind is RequestKind.SUBMIT else Outcome.REJECTED
            self._tell(request, Answer(outcome=never, reason=bar))
            with suppress(StoreError, OutcomeUnknown):
                await self._runner.settled()  # what stands behind it in its line may be over with it
            return
        began = asyncio.get_running_loop().time()
        answer = await self._call(order, request)
        self._health.answered(answer, asyncio.get_running_loop().time() - began)
        if self._request(order_id, number) is None:
            return  # the broker's reports were faster, and have answered it
        self._tell(request, answer)

    def _tell(self, request: Request, answer: Answer) -> None:
        self._runner.report(
            Answered(
                broker=self._broker.name,
                client_id=request.client_id,
                broker_order_id=answer.broker_order_id,
                outcome=answer.outcome,
                reason=answer.reason,
                raw=answer.raw,
                epoch=request.epoch,
            )
        )

    def _request(self, order_id: str, number: int) -> Request | None:
        """The request, while it is open."""
        order = self._runner.engine.state.orders.get(order_id)
        return None if order is None else order.request(number)

    def _may_send(self, request: Request) -> bool:
        session = self._runner.engine.view.sessions.get(self._broker.name)
        return request.phase is Phase.SENT and request.epoch == self._epoch == session and self._tenure.holds

    def _bar(self, order: Order, request: Request) -> str | None:
        """Why what has waited for its turn must not leave any more; a cancel always may."""
        if request.kind is RequestKind.CANCEL:
            return None
        if request.kind is RequestKind.SUBMIT and order.open_request(RequestKind.CANCEL) is not None:
            return "its cancel came before its turn"
        engine = self._runner.engine
        return barred(engine.state, engine.view, self._clock.now(), order)

    async def _call(self, order: Order, request: Request) -> Answer:
        task = self._deadline.begin()
        try:
            return await self._ask(order, request)
        except asyncio.CancelledError:
            if not self._deadline.end(task):
                raise
            reason = f"no answer within {DEADLINE_S:.0f} s"
        except Defect:
            raise
        except Exception as error:
            _log.exception("a broker adapter raised", broker=self._broker.name, request=request.client_id)
            reason = f"{type(error).__name__}: {error}"
        finally:
            self._deadline.end(task)
        return Answer(outcome=Outcome.UNKNOWN, reason=reason)

    async def _ask(self, order: Order, request: Request) -> Answer:
        if request.kind is RequestKind.SUBMIT:
            instrument = self._runner.engine.state.instruments.rows[order.symbol]
            send = fitted(send_of(order, request), order, self._broker.capabilities, instrument)
            return await self._broker.submit(send)
        accepted = order.client_id or ""
        if request.kind is RequestKind.CANCEL:
            withdraw = Withdraw(
                client_id=request.client_id, order=accepted, broker_order_id=order.broker_order_id
            )
            return await self._broker.cancel(withdraw)
        same = request.quantity == order.quantity and not self._broker.capabilities.changes_quantity
        change = Change(
            client_id=request.client_id,
            order=accepted,
            broker_order_id=order.broker_order_id,
            quantity=None if same else request.quantity,
            limit_price=request.limit_price,
            stop_price=request.stop_price,
        )
        return await self._broker.replace(change)

    async def close(self) -> None:
        """Begins no more calls and waits a while for those under way; settlement looks after the rest."""
        self._runner.unlisten(self._committed)
        self._lines.clear()
        self._pace.stop()
        workers = list(self._workers)
        if workers:
            await asyncio.wait(workers, timeout=DRAIN_S)
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)


def send_of(order: Order, request: Request) -> Send:
    """What leaves for the venue.

    Raises:
        Defect: more would leave than was approved, or the order is not one that may leave.
    """
    if order.state is not State.SUBMITTED or order.filled_quantity:
        raise Defect(
            f"order {order.order_id} is {order.state} with {order.filled_quantity} filled: not to be sent"
        )
    return Send(
        client_id=request.client_id,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        order_type=order.order_type,
        tif=order.tif,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        strategy_id=order.strategy_id,
        order_manager=order.order_manager,
        signal_id=order.signal_id,
        entry_price=order.entry_price,
        stop_loss=None if order.protect is Protection.STOP else order.stop_loss,
        take_profit=order.take_profit,
        expires_at=order.expires_at if order.tif is TimeInForce.GTD else None,
        operation=order.operation,
        terms=order.terms,
    )


def request_of(entry: Entry) -> Request | None:
    """The request that an entry brings forward: to be sent, or waiting for who may send it."""
    event = entry.event
    if isinstance(event, OrderEntered):
        return event.order.requests[-1] if event.order.requests else None
    return (
        event.request if isinstance(event, (OrderJudged, OrderSent, OrderRerouted, RequestOpened)) else None
    )
