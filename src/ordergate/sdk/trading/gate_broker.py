"""ordergate itself as a broker that can be asked synchronously."""

from typing import Any, Final

from ordergate.bootstrap import Gate
from ordergate.bootstrap.margin import has_margin
from ordergate.domain.errors import Refused
from ordergate.sdk.line import Line
from ordergate.sdk.trading import orders
from ordergate.sdk.trading.models import BrokerInterface, OrderModel, OrderResult, OrderStatus

DEADLINE_S: Final = 10.0
_SLACK_S: Final = 5.0


class GateBroker(BrokerInterface):
    """Places, watches and closes orders at a gate; each call waits in the caller's thread.

    Args:
        gate: a running gate on another thread's loop; None takes the process's own.
        fund_id: whose orders they are; None takes the fund of signals.
        broker: where they go; None takes the fund's.
        deadline_s: how long a call waits for the broker behind the gate; then the order is pending.
        retry: what the broker rejects is tried once more, as a new order.
    """

    def __init__(
        self,
        gate: Gate | None = None,
        *,
        fund_id: str | None = None,
        broker: str | None = None,
        deadline_s: float = DEADLINE_S,
        line: Line | None = None,
        retry: bool = True,
    ) -> None:
        self._line, self._retry = line or Line(gate), retry
        self._fund_id, self._broker, self._deadline_s = fund_id, broker, deadline_s

    def place_order(self, signal: OrderModel) -> OrderResult:
        """Makes an order of its signal, once; see `OrderResult`. What cannot be an order is `success=False`.

        Raises:
            RiskPolicyViolation: the risk gate refuses it, or the broker behind it has not margin enough.
            OutcomeUnknown: the gate itself did not answer; the same order again finds out.
        """

        async def work(gate: Gate) -> OrderResult:
            return await self.place(gate, signal)

        attempts = 2 if self._retry else 1
        return self._line.wait(work, attempts * self._deadline_s + _SLACK_S)

    async def place(self, gate: Gate, order: OrderModel) -> OrderResult:
        """As `place_order`, on the gate's loop."""
        fund = self._fund_id or gate.config.signals.fund
        try:
            command = orders.command_of(order, fund, self._broker)
            return await orders.place(gate, command, self._deadline_s, retry=self._retry)
        except Refused as refused:
            return OrderResult(success=False, error=str(refused))

    def get_order_status(self, order_id: str) -> OrderStatus:
        """How an order stands.

        Raises:
            NotFound: there is no such order.
        """
        return self._line.wait(lambda gate: orders.status(gate, order_id), self._deadline_s)

    def close_order(self, order_id: str) -> bool:
        """Cancels what works, closes what is filled by an opposite order, once. False: not known yet; ask again.

        Raises:
            NotFound: there is no such order.
        """
        patience = 2 * self._deadline_s + _SLACK_S
        return self._line.wait(lambda gate: orders.close(gate, order_id, self._deadline_s), patience)

    def has_sufficient_margin(self, volume: Any, symbol: str) -> bool:
        """False only where the broker behind the gate says that its margin is too small; it calculates by itself.

        True also where it cannot say: ordergate looks at the fund's margin and the broker's with each order, and
        refuses one that lacks it.

        Raises:
            OutcomeUnknown: the gate itself did not answer.
        """

        async def ask(gate: Gate) -> bool:
            fund = self._fund_id or gate.config.signals.fund
            return await has_margin(gate, fund, self._broker, volume, symbol, self._deadline_s)

        return self._line.wait(ask, self._deadline_s + _SLACK_S)
