"""Gating: asks who else must agree about what waits for them, and journals what they say.

Silence is no: a gate that does not answer in time, or raises, has refused; only one that is declared advisory has
agreed, and the journal says that it was silent. A person is not asked, but waited for.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog
from msgspec import Struct

from ordergate.application.decide.gate import APPROVAL
from ordergate.application.entry import Entry, Origin
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.gates import GateQuestion, RiskGate, Terms, Verdict
from ordergate.application.runner import Runner
from ordergate.domain.errors import Code, Conflict, OutcomeUnknown, Refused, StoreError, quoted
from ordergate.domain.orders.events import OrderEntered, OrderEvent, OrderJudged, RequestOpened
from ordergate.domain.orders.order import Order, Request
from ordergate.domain.orders.states import Phase, RequestKind
from ordergate.domain.risk.commands import AnswerGate

_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0
_LONGEST_SLEEP_S: Final = 60.0
"""Between two looks at a clock that may be set, while a person is waited for."""
_LONGEST_REASON: Final = 1_000
_log = structlog.get_logger("ordergate.gating")


class _Wait(Struct, frozen=True):
    """A request that waits for one gate."""

    order_id: str
    number: int
    gate: str


class Gating:
    """One task for each gate that an order or a replace waits for.

    Attributes:
        gates: those in this process, by the names that limits use.
    """

    def __init__(self, runner: Runner, clock: Clock) -> None:
        self._runner, self._clock = runner, clock
        self.gates: dict[str, RiskGate] = {}
        self._added = asyncio.Event()
        self._tasks: dict[str, dict[_Wait, asyncio.Task[None]]] = {}

    def add(self, name: str, gate: RiskGate) -> None:
        """Asks that gate from now on.

        Raises:
            Conflict: another gate has that name, or it is the one that stands for a person.
        """
        if name == APPROVAL or self.gates.get(name, gate) is not gate:
            taken = "stands for a person" if name == APPROVAL else "is another gate"
            raise Conflict(Code.BAD_VALUE, f"{quoted(name)} {taken}: give this one another name", "#/name")
        self.gates[name] = gate
        self._added.set()

    def start(self) -> None:
        """Takes up what waits: of an earlier run, or of another node."""
        self._runner.listen(self._committed)
        for order in list(self._runner.engine.state.orders.rows.values()):
            self._take_up(order.order_id, new=False)

    async def close(self) -> None:
        """Asks nobody any more; what was not answered is taken up by the next."""
        self._runner.unlisten(self._committed)
        tasks = [task for waits in self._tasks.values() for task in waits.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _committed(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            event = entry.event
            if not isinstance(event, OrderEvent):
                continue
            if event.order_id in self._tasks:
                self._drop_what_waits_no_longer(event.order_id)
            if (isinstance(event, OrderEntered) and event.order.awaits) or (
                isinstance(event, (OrderJudged, RequestOpened)) and event.awaits
            ):
                self._take_up(event.order_id, new=True)

    def _drop_what_waits_no_longer(self, order_id: str) -> None:
        for wait, task in self._tasks[order_id].items():
            if self._find(wait) is None:
                task.cancel()

    def _take_up(self, order_id: str, *, new: bool) -> None:
        order = self._runner.engine.state.orders.get(order_id)
        request = None if order is None or not order.awaits else _in_risk(order)
        if order is None or request is None:
            return
        waits = self._tasks.setdefault(order_id, {})
        for gate in order.awaits or ():
            wait = _Wait(order_id, request.number, gate)
            if wait not in waits:
                task = asyncio.get_running_loop().create_task(self._answer(wait, new=new))
                waits[wait] = task
                task.add_done_callback(partial(self._finished, wait))

    def _finished(self, wait: _Wait, done: asyncio.Task[None]) -> None:
        waits = self._tasks[wait.order_id]
        del waits[wait]
        if not waits:
            del self._tasks[wait.order_id]
        failure = None if done.cancelled() else done.exception()
        if failure is not None:
            self._runner.fail(failure)

    def _find(self, wait: _Wait) -> tuple[Order, Request] | None:
        """The request, while it waits for that gate."""
        order = self._runner.engine.state.orders.get(wait.order_id)
        request = None if order is None else order.request(wait.number)
        if order is None or request is None or request.phase is not Phase.RISK:
            return None
        return (order, request) if wait.gate in (order.awaits or ()) else None

    async def _answer(self, wait: _Wait, *, new: bool) -> None:
        """Goes on until an answer is journalled, or none is waited for any more."""
        pause = 0.0
        while (found := self._find(wait)) is not None:
            answer = await self._answer_of(wait, *found, new=new)
            actor = "ordergate" if answer.timed_out else wait.gate
            origin = Origin(source="gate", principal=wait.gate, actor=actor)
            try:
                await self._runner.execute(answer, origin)
            except (Refused, StoreError, OutcomeUnknown) as error:
                _log.warning("an answer was not taken", order=wait.order_id, gate=wait.gate, error=str(error))
            if self._find(wait) is not None:
                pause = min(max(pause * 2, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
                await self._clock.sleep(pause)

    async def _answer_of(self, wait: _Wait, order: Order, request: Request, *, new: bool) -> AnswerGate:
        until = order.decide_by or self._clock.now()
        if wait.gate == APPROVAL:
            await self._sleep_until(until)
            return _said(wait, Verdict(approved=False), timed_out=True)
        if not new:  # whoever embeds ordergate adds its gates once it runs
            await self._until_there(wait.gate, until)
        gate, terms = self.gates.get(wait.gate), self._runner.engine.view.gates.get(wait.gate)
        if gate is None or terms is None:
            return _said(wait, Verdict(approved=False, reason=f"there is no gate {quoted(wait.gate)}"))
        left_s = min(timedelta(seconds=terms.timeout_s), until - self._clock.now()).total_seconds()
        said = await _ask(gate, question_of(order, request), left_s)
        if isinstance(said, Verdict):
            return _said(wait, said)
        return _said(wait, Verdict(approved=terms.advisory, reason=f"{wait.gate} {said}"), timed_out=True)

    async def _sleep_until(self, at: datetime) -> None:
        while (left_s := (at - self._clock.now()).total_seconds()) > 0:
            await self._clock.sleep(min(left_s, _LONGEST_SLEEP_S))

    async def _until_there(self, name: str, at: datetime) -> None:
        """Waits until there is such a gate, or that moment."""
        while name not in self.gates and (left_s := (at - self._clock.now()).total_seconds()) > 0:
            self._added.clear()
            try:
                async with asyncio.timeout(left_s):
                    await self._added.wait()
            except TimeoutError:
                return


def _in_risk(order: Order) -> Request | None:
    return next((request for request in order.requests if request.phase is Phase.RISK), None)


def _said(wait: _Wait, verdict: Verdict, *, timed_out: bool = False) -> AnswerGate:
    return AnswerGate(
        order_id=wait.order_id,
        gate=wait.gate,
        approved=verdict.approved,
        number=wait.number,
        reason=verdict.reason,
        timed_out=timed_out,
    )


def question_of(order: Order, request: Request) -> GateQuestion:
    """What a gate is asked about a request that waits."""
    present = Terms(quantity=order.quantity, limit_price=order.limit_price, stop_price=order.stop_price)
    wanted = Terms(
        quantity=present.quantity if request.quantity is None else request.quantity,
        limit_price=present.limit_price if request.limit_price is None else request.limit_price,
        stop_price=present.stop_price if request.stop_price is None else request.stop_price,
    )
    return GateQuestion(
        order_id=order.order_id,
        number=request.number,
        fund_id=order.fund_id,
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        broker=order.broker,
        terms=wanted,
        strategy_id=order.strategy_id,
        replaces=present if request.kind is RequestKind.REPLACE else None,
        reference_price=order.reference_price,
    )


async def _ask(gate: RiskGate, question: GateQuestion, left_s: float) -> Verdict | str:
    """What the gate says, or why it has said nothing. One that will not be canceled is left to itself."""
    if left_s <= 0:
        return "was not asked in time"
    asked = asyncio.get_running_loop().create_task(_check(gate, question))
    try:
        await asyncio.wait({asked}, timeout=left_s)
    finally:
        asked.cancel()
    if not asked.done():
        return "did not answer in time"
    return "gave up" if asked.cancelled() else asked.result()


async def _check(gate: RiskGate, question: GateQuestion) -> Verdict | str:
    try:
        verdict = await gate.check(question)
    except Exception as error:
        _log.exception("a gate raised", order=question.order_id)
        return f"raised {type(error).__name__}: {error}"[:_LONGEST_REASON]
    if not isinstance(verdict, Verdict) or not isinstance(verdict.approved, bool):
        return f"answered {quoted(verdict)}, which is no verdict"
    reason = verdict.reason if verdict.reason is None else str(verdict.reason)[:_LONGEST_REASON]
    return Verdict(verdict.approved, reason)
