"""One order after the other: executed, its deltas applied once, compared with what there is, and only then the next.

An order that fails is told by its handshake, and the next one goes on. What cannot be reconciled is a failure of the
system: the fund is halted, in the journal, until a person lifts it; nothing more of the batch is sent.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import structlog

from ordergate.application.entry import Origin
from ordergate.bootstrap import Gate
from ordergate.domain.errors import Code, Invalid, OrdergateError, quoted
from ordergate.domain.money import ZERO
from ordergate.domain.risk.commands import ThrowSwitch
from ordergate.domain.risk.kill_switch import Trigger
from ordergate.domain.risk.limits import Level
from ordergate.sdk.line import Line
from ordergate.sdk.venues import placing
from ordergate.sdk.venues.again import told_again
from ordergate.sdk.venues.codes import ErrorCode
from ordergate.sdk.venues.deltas import ExecutionDelta, execution_deltas_of
from ordergate.sdk.venues.groups import Groups
from ordergate.sdk.venues.handshakes import ExecutionHandshake
from ordergate.sdk.venues.models import Order
from ordergate.sdk.venues.positions import (
    EXECUTION_MANAGER,
    POSITION_REFRESH,
    TOLERANCE,
    PositionMonitor,
    PositionUpdateHandler,
    Undeclared,
)
from ordergate.sdk.venues.routing import Desk, VenueInterfaceManager, check_order, failed

PAUSES_S: Final[tuple[float, ...]] = (1.0, 2.0, 4.0)
"""Before each further comparison."""
TOTAL_S: Final = 120.0
_DEADLINE_S: Final = 30.0
_log = structlog.get_logger("ordergate.sdk.venues")


class ExecutionManager:
    """Takes the orders of a strategy.

    Args:
        venue_interface_manager, position_update_handler: None makes them.
        gate: a running gate on another thread's loop; None takes the process's own.
        fund_id: whose orders they are; None takes the fund of what is given, else that of signals.
        subscriptions: position keys that may be moved, of the handler that is made; None is all.
        tolerance: how far a position may be from what there is, of the handler that is made.
        on_system_failure: called with the reason at the end of a batch that was broken off, the fund halted; may
            raise SystemExit, or process orders itself.
        total_s: for how long orders of one batch are begun, waited for and compared.

    Attributes:
        system_failure: why the last batch could not be reconciled; None where it could.

    Raises:
        Invalid: what is given is of different funds, or the tolerance is none.
        WrongLoop: this thread runs the gate.
    """

    def __init__(
        self,
        venue_interface_manager: VenueInterfaceManager | None = None,
        position_update_handler: PositionUpdateHandler | None = None,
        *,
        gate: Gate | None = None,
        fund_id: str | None = None,
        subscriptions: Iterable[str] | None = None,
        tolerance: float | Decimal = TOLERANCE,
        on_system_failure: Callable[[str], object] | None = None,
        total_s: float = TOTAL_S,
    ) -> None:
        self._line = Line(gate)
        self._fund_id = fund_id = self._one_fund(fund_id, venue_interface_manager, position_update_handler)
        self.venue_interface_manager = venue_interface_manager or VenueInterfaceManager(gate, fund_id=fund_id)
        self.position_update_handler = position_update_handler or PositionUpdateHandler(
            gate=gate, fund_id=fund_id, subscriptions=subscriptions, tolerance=tolerance
        )
        self._on_system_failure, self._total_s = on_system_failure, total_s
        self._turn = threading.Lock()
        self._at_work: int | None = None
        self._began, self._why = 0.0, ""
        self.system_failure: str | None = None

    def _one_fund(self, fund_id: str | None, routing: object, handler: object) -> str | None:
        """Whose orders, positions and halts they are; None where nothing says it."""
        desk: Desk | None = getattr(routing, "desk", None)
        monitor: PositionMonitor | None = getattr(handler, "position_monitor", None)
        parts = [part.fund_of for part in (desk, monitor) if part is not None]
        if not parts:
            return fund_id

        async def work(gate: Gate) -> set[str]:
            return {fund_of(gate) for fund_of in parts}

        funds = self._line.wait(work, _DEADLINE_S) | ({fund_id} if fund_id else set())
        if len(funds) > 1:
            named = ", ".join(quoted(one) for one in sorted(funds))
            detail = f"{named} cannot all be whose orders, positions and halts they are: give each the same"
            raise Invalid(Code.BAD_VALUE, detail, "#/fund_id")
        return funds.pop()

    def process_orders(self, timestamp: datetime, orders: Sequence[Order]) -> list[ExecutionHandshake]:
        """Executes orders one by one; those of an atomic group together, where the first of them stands.

        Returns:
            The handshakes, in the order of the orders.

        Raises:
            SystemExit, or whatever the hook raises: after what could not be reconciled.
            TypeError: one of them is no order; then nothing was sent, either.
            StoreError, OutcomeUnknown: what there is could not be read; then nothing was sent.
        """
        for order in orders:
            check_order(order)
        failure: str | None = None
        try:
            with self._turn:
                self._at_work, self.system_failure = threading.get_ident(), None
                try:
                    return self._process(timestamp, orders)
                finally:
                    self._at_work, failure = None, self.system_failure
        finally:
            if failure is not None:
                self._tell(failure)

    def _process(self, timestamp: datetime, orders: Sequence[Order]) -> list[ExecutionHandshake]:
        self._began, self.system_failure, self._why = self._time(), None, ""
        self.position_update_handler.update_state(timestamp, POSITION_REFRESH, None)
        done: dict[int, ExecutionHandshake] = {}
        for number, members in enumerate(_steps(orders)):
            wanted = [orders[at] for at in members]
            done |= zip(members, self._step(timestamp, wanted, number), strict=True)
        return [done[at] for at in range(len(orders))]

    def _step(self, timestamp: datetime, wanted: list[Order], number: int) -> list[ExecutionHandshake]:
        """One order, or a group."""
        if self.system_failure is not None:
            return self._not_sent(wanted, ErrorCode.SYSTEM_FAILURE, self.system_failure)
        if self._left() <= 0:
            detail = f"not sent: the batch is at work for {self._total_s:g} s already"
            return self._not_sent(wanted, ErrorCode.TIME_OVER, detail)
        try:
            self._meet(wanted)
        except OrdergateError as error:
            return self._not_sent(wanted, ErrorCode.ROUTING, f"not sent: {error}")
        with self._within():
            if wanted[0].is_atomic():
                groups = Groups(self._line, self.venue_interface_manager, self._fund_id, self._left)
                handshakes = groups.execute(timestamp, wanted)
            else:
                handshakes = [self.venue_interface_manager.route_to_venue(timestamp, wanted[0])]
        for handshake in handshakes:
            if handshake.was_failed():
                self._handle_execution_failure(handshake)
        deltas = [
            delta for handshake in handshakes for delta in self._convert_trade_to_execution_deltas(handshake)
        ]
        if deltas:
            with suppress(Invalid):  # which applying them says again
                self.position_update_handler.expect(deltas, self._booked(handshakes))
            if not self._reconcile_with_retry(timestamp, deltas, number):
                self._trigger_system_failure(f"Reconciliation failed for order {number}")
        return handshakes

    def _not_sent(self, wanted: Sequence[Order], code: ErrorCode, why: str) -> list[ExecutionHandshake]:
        """Of what is not sent now; how it stands, where it was before."""
        desk: Desk | None = getattr(self.venue_interface_manager, "desk", None)
        told = told_again(desk, wanted)
        return [
            failed(order, code, why) if one is None else one for order, one in zip(wanted, told, strict=True)
        ]

    def _meet(self, wanted: Iterable[Order]) -> None:
        """What is in the accounts before anything is done there is not what is done now."""
        desk: Desk | None = getattr(self.venue_interface_manager, "desk", None)
        brokers = set() if desk is None else {desk.broker_of(order) for order in wanted}
        for broker in sorted(broker for broker in brokers if broker is not None):
            self.position_update_handler.position_monitor.meet(broker)

    def _within(self) -> AbstractContextManager[object]:
        """Meanwhile no order is waited for longer than the batch has time."""
        desk: Desk | None = getattr(self.venue_interface_manager, "desk", None)
        return nullcontext() if desk is None else desk.within(self._left())

    def _convert_trade_to_execution_deltas(self, trade: ExecutionHandshake) -> list[ExecutionDelta]:
        """What an executed order moved: see `execution_deltas_of`."""
        return execution_deltas_of(trade)

    def _handle_execution_failure(self, trade: ExecutionHandshake) -> None:
        """Says so in the log; the next order goes on."""
        order = trade.order
        _log.warning(
            "an order failed",
            venue=order.venue,
            operation=str(order.operation),
            code=trade.error_code,
            why=trade.error_message,
        )

    def _reconcile_with_retry(
        self, timestamp: datetime, execution_deltas: list[ExecutionDelta], order_number: int
    ) -> bool:
        """Applies deltas once, and compares; what differs is compared again after 1, 2 and 4 s."""
        handler = self.position_update_handler
        pauses = PAUSES_S
        try:
            why = self._difference(
                lambda: handler.update_state(timestamp, EXECUTION_MANAGER, execution_deltas)
            )
        except (Undeclared, Invalid) as wrong:
            why, pauses = str(wrong), ()
        for pause in pauses:
            if why is None or pause >= self._left():
                break
            with suppress(OrdergateError):  # what there is cannot be read then, either
                self._pause(pause)
            why = self._difference(handler.reconcile)
        if why is not None:
            self._why = why
            _log.error("an order could not be reconciled", number=order_number, why=why)
        return why is None

    def _difference(self, compare: Callable[[], Any]) -> str | None:
        """What differs; None where nothing does."""
        try:
            result = compare()
            if not isinstance(result, Mapping):  # a handler of somebody's own that only applies deltas
                result = self.position_update_handler.reconcile()
        except (Undeclared, Invalid):
            raise
        except OrdergateError as error:  # what there is could not be read
            return str(error)
        return None if result["success"] else "; ".join(_shown(one) for one in result["mismatches"])

    def _trigger_system_failure(self, reason: str) -> None:
        """Halts the fund until a person lifts that, and calls the hook; within a batch, that is called at its end.

        Raises:
            SystemExit, or whatever the hook raises.
        """
        detail = f"{reason}: {self._why}" if self._why else reason
        self.system_failure = detail
        try:
            self._line.wait(lambda gate: self._halt(gate, detail), _DEADLINE_S)
        except OrdergateError as error:
            _log.error("the fund could not be halted", error=str(error))
        if self._at_work != threading.get_ident():
            self._tell(detail)

    def _tell(self, failure: str) -> None:
        """Calls the hook, while no batch of this thread is at work: it may process orders itself."""
        if self._on_system_failure is not None:
            self._on_system_failure(f"System failure: {failure}")

    async def _halt(self, gate: Gate, reason: str) -> None:
        halt = ThrowSwitch(
            level=Level.FUND,
            name=self._fund_id or gate.config.signals.fund,
            reason=reason,
            trigger=Trigger.RECONCILIATION,
        )
        await gate.execute(halt, Origin(source="sdk", principal="venues"))

    def _booked(self, handshakes: Iterable[ExecutionHandshake]) -> dict[str, Decimal] | None:
        """What the ledger has of their executions; None where one of them is not ordergate's own."""
        named = [one.venue_metadata for one in handshakes if one.position_deltas or one.fee_amount]
        if any("fills" not in metadata for metadata in named):
            return None

        async def work(gate: Gate) -> dict[str, Decimal]:
            total: dict[str, Decimal] = {}
            for metadata in named:
                for key, amount in (await placing.booked(gate, metadata)).items():
                    total[key] = total.get(key, ZERO) + amount
            return total

        try:
            return self._line.wait(work, _DEADLINE_S)
        except OrdergateError as error:
            _log.warning("what the ledger has could not be read", error=str(error))
            return None

    def _left(self) -> float:
        """Seconds of the batch's time; none where the gate does not say."""
        try:
            return self._began + self._total_s - self._time()
        except OrdergateError:
            return 0.0

    def _time(self) -> float:
        async def work(gate: Gate) -> float:
            return gate.clock.now().timestamp()

        return self._line.wait(work, _DEADLINE_S)

    def _pause(self, seconds: float) -> None:
        self._line.wait(lambda gate: gate.clock.sleep(seconds), seconds + _DEADLINE_S)


def _steps(orders: Sequence[Order]) -> list[list[int]]:
    """The places of the orders that go together: each alone, and those of an atomic group by their sequence."""
    steps: dict[object, list[int]] = {}
    for at, order in enumerate(orders):
        steps.setdefault(("group", order.atomic_group_id) if order.is_atomic() else at, []).append(at)
    for members in steps.values():
        members.sort(key=lambda at: orders[at].sequence_in_group or 0)
    return list(steps.values())


def _shown(mismatch: Mapping[str, Any]) -> str:
    return f"{mismatch['asset']} is {mismatch['real']}, and {mismatch['simulated']} by its deltas"
