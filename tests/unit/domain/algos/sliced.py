"""A conversation with an engine whose fund works large market orders in slices."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from msgspec.structs import replace

from ordergate.domain.algos.commands import WorkParent
from ordergate.domain.algos.terms import SplitTerms
from ordergate.domain.orders import commands as c
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.reports import End
from ordergate.domain.orders.states import State
from ordergate.domain.risk.limits import Limits
from ordergate.testing.playbook import Number, ack, ended, fill
from tests.unit.domain.risk.limited import FUND, Limited

TERMS: Final = SplitTerms(above=Decimal(10_000), horizon_minutes=10)


class Sliced(Limited):
    """A fund that works what is worth more than 10,000 over ten minutes, and AAPL at 100.

    Attributes:
        parent_id: of the last order that was made by `large`.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        terms: SplitTerms = TERMS,
        *,
        session: bool = True,
        **levels: Limits,
    ) -> None:
        super().__init__(limits, session=session, **levels)
        self.fund = replace(FUND, split=terms)
        self.step(c.Configure((self.fund,), ()))
        self.parent_id = ""

    def large(self, quantity: Number = 1000, **more: Any) -> "Sliced":
        """A market order of the strategy."""
        self.order_of(quantity, **more)
        self.parent_id = self.order_id
        return self

    @property
    def parent(self) -> Order:
        """As it is now."""
        return self.engine.state.orders.rows[self.parent_id]

    @property
    def children(self) -> list[Order]:
        """All, in the order of their slices."""
        rows = self.engine.state.orders.rows.values()
        return sorted(
            (one for one in rows if one.parent_order_id == self.parent_id and one.slice is not None),
            key=lambda child: child.slice or 0,
        )

    @property
    def sizes(self) -> list[Decimal]:
        """Of the children."""
        return [child.quantity for child in self.children]

    def at(self, minutes: float, *, quote: Number | None = 100) -> "Sliced":
        """It is so many minutes after the acceptance, with a quote of that moment; then the parent is worked."""
        accepted = self.parent.accepted_at
        self.now = max(self.now, (accepted or self.now) + timedelta(minutes=minutes))
        if quote is not None:
            self.quote("AAPL", quote)
        return self.work()

    def work(self) -> "Sliced":
        """The timer fires."""
        self.step(WorkParent(self.parent_id))
        return self

    @property
    def look_again(self) -> datetime | None:
        """When the timer said that it is to fire next."""
        found: datetime | None = self.answer
        return found

    def child(self, number: int) -> "Sliced":
        """Speaks of a child."""
        self.order_id = next(child.order_id for child in self.children if child.slice == number)
        return self

    def child_filled(self, number: int, quantity: Number | None = None, price: Number = 100) -> "Sliced":
        """A child's broker fills it, or some of it."""
        self.child(number)
        left = self.order.leaves_quantity if quantity is None else Decimal(quantity)
        self.report(fill(f"x{len(self.entries)}", left, price, completes=left == self.order.leaves_quantity))
        return self

    def child_ended(self, number: int, end: End = End.CANCELED) -> "Sliced":
        """A child's broker ends it."""
        self.child(number).report(ended(end))
        return self

    def spoken_of_parent(self) -> "Sliced":
        """Speaks of the parent."""
        self.order_id = self.parent_id
        return self

    def check(self) -> "Sliced":
        """The parent is the sum of its children, and what is replayed is what is."""
        children = self.children
        assert self.parent.filled_quantity == sum(child.filled_quantity for child in children)
        assert self.parent.filled_value == sum(child.filled_value for child in children)
        keys = [child.slice for child in children]
        assert len(keys) == len(set(keys))
        assert self.replayed().orders.rows == self.engine.state.orders.rows
        if self.parent.state is State.CLOSED:
            assert self.parent.filled_quantity == self.parent.quantity
        return self


__all__ = ["Sliced", "ack"]
