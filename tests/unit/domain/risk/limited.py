"""A conversation with an engine whose fund has limits, at prices that stand still."""

from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from ordergate.application.engine import Input
from ordergate.application.entry import Origin
from ordergate.domain.funds import Fund
from ordergate.domain.market import Quote
from ordergate.domain.orders import commands as c
from ordergate.domain.orders.decision import RiskDecision
from ordergate.domain.orders.reports import End
from ordergate.domain.orders.states import Side, State
from ordergate.domain.risk.commands import SetLimits
from ordergate.domain.risk.limits import Level, Limits
from ordergate.testing.playbook import BROKER, START, Number, Playbook, ack, ended, fill

FUND: Final = Fund(fund_id="fund", broker=BROKER)
OTHER: Final = Fund(fund_id="other", broker=BROKER)
NAMES: Final = {
    Level.FIRM: "", Level.FUND: "fund", Level.STRATEGY: "trend", Level.SYMBOL: "AAPL", Level.BROKER: BROKER,
}  # fmt: skip
"""What stands at each level in these tests; orders are the strategy's."""


class Limited(Playbook):
    """A playbook with two funds, of which `fund` has limits, and AAPL at 100 on both sides.

    Attributes:
        who: the principal of the next command.
        decision: the gate's last.
    """

    def __init__(self, limits: Limits | None = None, *, session: bool = True, **levels: Limits) -> None:
        self.who, self.decision = "local", RiskDecision()
        super().__init__(FUND, session=session)
        self.step(c.Configure((FUND, OTHER), ()))
        self.quote("AAPL", 100)
        self.limits(Limits() if limits is None else limits)
        for name, stated in levels.items():
            self.limits(stated, Level(name))

    def step(self, given: Input):
        """One input at the present moment, by whoever speaks."""
        done = self.engine.step(given, self.now, Origin(principal=self.who))
        self.entries += done.entries
        self.events, self.answer = [entry.event for entry in done.entries], done.answer
        self.decision = getattr(done.answer, "decision", None) or self.decision
        return done

    def by(self, principal: str, given: Input) -> "Limited":
        """The same, by somebody else."""
        before, self.who = self.who, principal
        try:
            self.step(given)
        finally:
            self.who = before
        return self

    def quote(self, symbol: str, bid: Number, ask: Number | None = None, **more: Any) -> "Limited":
        """A quote of this moment; bid and ask are the same where one is named."""
        quoted = Quote(symbol, self.now, Decimal(bid), Decimal(bid if ask is None else ask), **more)
        self.engine.take_quote(quoted)
        return self

    def limits(self, limits: Limits, level: Level = Level.FUND, name: str | None = None) -> "Limited":
        """Puts limits at a level in place of what they were."""
        name = NAMES[level] if name is None else name
        self.step(SetLimits(level=level, name=name, limits=limits, reason="a test"))
        return self

    def order_of(self, quantity: Number, *, limit: Number | None = None, **more: Any) -> "Limited":
        """An order of the strategy, sent and acknowledged if it was let through."""
        self.submit(quantity, limit=limit, **({"strategy_id": "trend"} | more))
        if self.order.state is State.SUBMITTED:
            self.report(ack(f"B{self.order_id}"))
        return self

    def held(self, quantity: Number, symbol: str = "AAPL", price: Number = 100, **more: Any) -> "Limited":
        """A position, traded at a price; below zero is short."""
        side = Side.BUY if Decimal(quantity) > 0 else Side.SHORT
        self.order_of(abs(Decimal(quantity)), symbol=symbol, side=side, **more)
        assert self.order.state is State.SUBMITTED, self.order.reason
        return self.filled(price=price)

    def filled(self, quantity: Number | None = None, price: Number = 100, **more: Any) -> "Limited":
        """The order spoken of last is filled, wholly where no quantity is named."""
        left = self.order.leaves_quantity
        amount = left if quantity is None else Decimal(quantity)
        seconds = (self.now - START).total_seconds()
        done = {"completes": amount == left and not self.order.requests, "seconds": seconds} | more
        self.report(fill(f"x{len(self.entries)}", amount, price, **done))
        return self

    def canceled(self) -> "Limited":
        """The order spoken of last is canceled at the broker."""
        self.report(ended(End.CANCELED))
        return self

    def later(self, seconds: float) -> "Limited":
        """So much time passes."""
        self.now += timedelta(seconds=seconds)
        return self

    @property
    def code(self) -> str | None:
        """Of the refusal of the last order or change; None where it was let through."""
        return None if self.decision.code is None else str(self.decision.code)


def stated(**limits: Any) -> Limits:
    """Limits; whole numbers and text are made decimals where the limit is one."""
    kept = ("max_quote_age_s", "approval_timeout_s", "max_runs", "cancel_reserve", "duplicate_window_s",
            "max_orders_per_s", "max_messages_per_s", "enable_shorting", "max_rejections_per_min", "max_silence_s")  # fmt: skip
    return Limits(
        **{n: v if n in kept or not isinstance(v, (int, str)) else Decimal(v) for n, v in limits.items()}
    )
