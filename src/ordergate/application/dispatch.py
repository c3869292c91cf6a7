"""The dispatcher of one broker: performs the requests that were committed as sent, and reports the answers.

It has no cursor and no memory of its own: it acts on the state of orders, and only on requests that were
committed in this run. Whatever else is unanswered belongs to settlement. Requests of one order go one after
the other.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

import structlog

from ordergate.application.deadlines import Deadline
from ordergate.application.entry import Entry
from ordergate.application.fitting import fitted
from ordergate.application.ownership import Tenure
from ordergate.application.ports.brokers import Answer, Broker, Change, Send, Withdraw
from ordergate.application.runner import Runner
from ordergate.domain.errors import Defect
from ordergate.domain.orders.events import OrderEntered, OrderJudged, OrderSent, RequestOpened
from ordergate.domain.orders.order import Order, Request
from ordergate.domain.orders.reports import Answered, Outcome
from ordergate.domain.orders.states import Phase, RequestKind, State, TimeInForce

DEADLINE_S: Final = 30.0
DRAIN_S: Final = 5.0
_log = structlog.get_logger("ordergate.dispatch")


class Dispatcher:
    """Calls one broker, at most `capabilities.calls` at once.

    Args:
        epoch: of the session that it sends in; requests of another epoch are not its own.
        tenure: of the session's lease; nothing is sent once it is over.
    """

    def __init__(self, broker: Broker, runner: Runner, epoch: int, tenure: Tenure) -> None:
        self._broker, self._runner, self._epoch, self._tenure = broker, runner, epoch, tenure
        self._queue: deque[tuple[str, int]] = deque()
        self._waiting: dict[str, deque[int]] = {}
        self._workers: dict[asyncio.Task[None], None] = {}  # in the order in which they began
        self._deadline = Deadline(DEADLINE_S)
        runner.listen(self._committed)

    @property
    def busy(self) -> bool:
        """Whether a call is under way or waits for its turn."""
        return bool(self._waiting)

    def _committed(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            request = request_of(entry)
            if request is not None and request.epoch == self._epoch:
                self._wake(entry.order_id or "", request.number)

    def _wake(self, order_id: str, number: int) -> None:
        order = self._runner.engine.state.orders.get(order_id)
        if order is None or order.broker != self._broker.name:
            return
        if order_id in self._waiting:
            self._waiting[order_id].append(number)
            return
        self._waiting[order_id] = deque()
        self._queue.append((order_id, number))
        if len(self._workers) < self._broker.capabilities.calls:
            worker = asyncio.get_running_loop().create_task(self._work())
            self._workers[worker] = None
            worker.add_done_callback(self._finished)

    def _finished(self, worker: asyncio.Task[None]) -> None:
        self._workers.pop(worker, None)
        failure = None if worker.cancelled() else worker.exception()
        if failure is not None:
            self._runner.fail(failure)

    async def _work(self) -> None:
        while self._queue:
            order_id, number = self._queue.popleft()
            await self._perform(order_id, number)
            waiting = self._waiting[order_id]
            if waiting:
                self._queue.append((order_id, waiting.popleft()))
            else:
                del self._waiting[order_id]

    async def _perform(self, order_id: str, number: int) -> None:
        order = self._runner.engine.state.orders.get(order_id)
        request = self._request(order_id, number)
        if order is None or request is None or not self._may_send(request):
            return
        answer = await self._call(order, request)
        if self._request(order_id, number) is None:
            return  # the broker's reports were faster, and have answered it
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
        change = Change(
            client_id=request.client_id,
            order=accepted,
            broker_order_id=order.broker_order_id,
            quantity=request.quantity,
            limit_price=request.limit_price,
            stop_price=request.stop_price,
        )
        return await self._broker.replace(change)

    async def close(self) -> None:
        """Begins no more calls and waits a while for those under way; settlement looks after the rest."""
        self._runner.unlisten(self._committed)
        self._queue.clear()
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
        stop_loss=order.stop_loss,
        take_profit=order.take_profit,
        expires_at=order.expires_at if order.tif is TimeInForce.GTD else None,
    )


def request_of(entry: Entry) -> Request | None:
    """The request that an entry brings forward: to be sent, or waiting for who may send it."""
    event = entry.event
    if isinstance(event, OrderEntered):
        return event.order.requests[-1] if event.order.requests else None
    return event.request if isinstance(event, (OrderJudged, OrderSent, RequestOpened)) else None
