"""Signals become orders: checked, made once, placed, watched."""

from typing import Any

import structlog

from ordergate.bootstrap import Gate
from ordergate.domain.errors import Code, Invalid
from ordergate.sdk.line import Line
from ordergate.sdk.trading import orders
from ordergate.sdk.trading.gate_broker import DEADLINE_S, GateBroker
from ordergate.sdk.trading.models import BrokerInterface, OrderModel, OrderResult, OrderStatus, SignalModel

_log = structlog.get_logger("ordergate.sdk.trading")


def validate(signal: SignalModel) -> None:
    """Raises Invalid, naming the field, unless a signal can become an order."""
    orders.command_of(create_order_from_signal(signal), "any", None)


def create_order_from_signal(signal: SignalModel) -> OrderModel:
    """The order that a signal means: a market order; its levels go along.

    Raises:
        Invalid: it names no volume.
    """
    if signal.volume is None:
        raise Invalid(Code.MISSING, "is missing: the signal names no volume", "#/volume")
    return OrderModel(
        symbol=signal.symbol,
        direction=signal.direction,
        volume=signal.volume,
        entry_price=signal.entry_price,
        stop_loss=signal.stop_loss,
        take_profit=signal.take_profit,
        strategy_id=signal.strategy_id,
        order_manager=signal.order_manager,
        signal_id=signal.id,
    )


def track_order(order_id: str) -> None:
    """Says in the log that an order is on its way; the gate follows every order by itself, to its end."""
    _log.info("an order is on its way", order=order_id)


def log_failure(signal_id: Any, error: str | None) -> None:
    """Says in the log that a signal led to no order, and why."""
    _log.warning("a signal led to no order", signal=str(signal_id), error=error)


class TradeExecutionService:
    """Takes signals.

    Args:
        gate: a running gate, as `open_gate` gives it; None takes the process's own.
        broker: a class of your own to send the orders to; it is known by its `name`, else by that of its class.
            None sends them where the fund's orders go.
        fund_id: whose orders they are; None takes the fund of signals.
        deadline_s: how long to wait for a broker's answer; then the order is pending.
        retry: what the broker rejects is tried once more, as a new order linked to the first; then it has failed.

    Attributes:
        broker_interface: places, watches and closes the same orders synchronously.
    """

    def __init__(
        self,
        gate: Gate | None = None,
        *,
        broker: BrokerInterface | None = None,
        fund_id: str | None = None,
        deadline_s: float = DEADLINE_S,
        retry: bool = True,
    ) -> None:
        self._made = broker
        self._name = None if broker is None else str(getattr(broker, "name", None) or type(broker).__name__)
        self._line = Line(gate, None if broker is None else self._attach)
        self._deadline_s = deadline_s
        self.broker_interface = GateBroker(
            fund_id=fund_id, broker=self._name, deadline_s=deadline_s, line=self._line, retry=retry
        )

    async def handle_signal(self, signal: SignalModel) -> OrderResult:
        """Makes an order of a signal, once, and waits until its broker has answered.

        Raises:
            Invalid: the signal can be no order.
            RiskPolicyViolation: the risk gate refuses it, or its broker has not margin enough; nothing was sent.
        """
        validate(signal)
        order = create_order_from_signal(signal)
        result = await self._line.command(lambda gate: self.broker_interface.place(gate, order))
        if result.success and result.order_id is not None:
            track_order(result.order_id)
        else:
            log_failure(signal.id, result.error)
        return result

    async def get_order_status(self, order_id: str) -> OrderStatus:
        """How an order stands. Raises NotFound."""
        return await self._line.read(lambda gate: orders.status(gate, order_id))

    async def close_order(self, order_id: str) -> bool:
        """Cancels what works, closes what is filled by an opposite order, once. Raises NotFound."""
        return await self._line.command(lambda gate: orders.close(gate, order_id, self._deadline_s))

    async def _attach(self, gate: Gate) -> None:
        await gate.attach(self._name or "", self._made)
