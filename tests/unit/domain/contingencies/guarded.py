"""A conversation with an engine whose signals have protective stops."""

from decimal import Decimal
from typing import Any

from ordergate.application.view import SignalRouting
from ordergate.domain.contingencies.events import ProtectionFailed
from ordergate.domain.contingencies.protection import will_close
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.reports import AnyReport
from ordergate.domain.orders.states import Protection
from ordergate.domain.risk.limits import Limits
from ordergate.domain.signals import Signal, SubmitSignal
from ordergate.testing.playbook import Number, ack
from tests.unit.domain.risk.limited import Limited


class Guarded(Limited):
    """AAPL at 100, a fund without much of a limit, and signals with a stop at 95 (or, of shorts, 105)."""

    def __init__(self, limits: Limits | None = None, **more: Any) -> None:
        super().__init__(Limits() if limits is None else limits, **more)
        self.protecting(Protection.STOP)

    def protecting(self, protect: Protection) -> "Guarded":
        """The configuration says so from here on."""
        self.engine.view.signals = SignalRouting(fund="fund", protect=protect)
        return self

    def signal(self, quantity: Number = 100, action: str = "buy", **more: Any) -> "Guarded":
        """A signal that becomes an order, acknowledged if it was let through; it is spoken of from then on."""
        below = action in ("buy", "long")
        fields = {"stop_loss": Decimal(95 if below else 105), "strategy_id": "trend"} | more
        signal = Signal(
            signal_id=f"sig-{len(self.entries)}",
            symbol="AAPL",
            action=action,
            quantity=Decimal(quantity),
            **fields,
        )
        self.order_id = self.step(SubmitSignal(signal)).answer.order.order_id
        if self.order.requests:
            self.report(ack(f"B{self.order_id}"))
        return self

    def entered(self, quantity: Number = 100, action: str = "buy", **more: Any) -> "Guarded":
        """The same, filled, and its stop acknowledged; the entry is spoken of."""
        self.signal(quantity, action, **more).filled()
        return self.acknowledged()

    def acknowledged(self) -> "Guarded":
        """Every stop that was sent has arrived."""
        entry = self.order_id
        for stop in self.stops:
            if stop.acknowledged_at is None and stop.requests:
                self.about(stop).report(ack(f"B{stop.order_id}"))
        self.order_id = entry
        return self

    def about(self, order: Order) -> "Guarded":
        """That order is spoken of."""
        self.order_id = order.order_id
        return self

    def told(self, order: Order, said: AnyReport, request: int | None = None) -> "Guarded":
        """The broker says something of an order; what was spoken of still is."""
        before, self.order_id = self.order_id, order.order_id
        self.report(said, request=request)
        self.order_id = before
        return self

    @property
    def stops(self) -> list[Order]:
        """All that were ever made and are remembered, oldest first."""
        rows = self.engine.state.orders.rows.values()
        return [order for order in rows if order.parent_order_id is not None]

    @property
    def sizes(self) -> list[int]:
        """What each stop that has not ended may still close, once all that was asked for is done."""
        return [int(size) for stop in self.stops if (size := will_close(stop))]

    @property
    def failures(self) -> list[ProtectionFailed]:
        """Every one in the journal."""
        return [entry.event for entry in self.entries if isinstance(entry.event, ProtectionFailed)]

    @property
    def position(self) -> Decimal:
        """Of AAPL in the fund."""
        position = self.engine.state.positions.get(("fund", "AAPL"))
        return Decimal(0) if position is None else position.quantity
