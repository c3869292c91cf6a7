"""The gate port: somebody else who must agree before an order, or a change of one, may go to a broker."""

from decimal import Decimal
from typing import Protocol

from msgspec import Struct

from ordergate.domain.orders.states import OrderType, Side


class Terms(Struct, frozen=True, gc=False, kw_only=True):
    """What an order asks for.

    Attributes:
        quantity: in the instrument's unit.
    """

    quantity: Decimal
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


class GateQuestion(Struct, frozen=True, gc=False, kw_only=True):
    """What a gate is asked about; our own checks have let it through.

    Attributes:
        number: of the order's request that waits; 1 is the order itself.
        terms: what it will be where everybody agrees.
        replaces: the terms that work now, where it is a change of them; None for a new order.
        reference_price: what the order was measured at when it came; None where no limit needed a price.
    """

    order_id: str
    number: int
    fund_id: str
    symbol: str
    side: Side
    order_type: OrderType
    broker: str
    terms: Terms
    strategy_id: str | None = None
    replaces: Terms | None = None
    reference_price: Decimal | None = None

    @property
    def is_replace(self) -> bool:
        """Whether it changes an order that works."""
        return self.replaces is not None


class Verdict(Struct, frozen=True, gc=False):
    """What a gate says, and why."""

    approved: bool
    reason: str | None = None


class RiskGate(Protocol):
    """A gate beside our own. It is asked again about the same request where its answer was not journalled."""

    @property
    def name(self) -> str:
        """As limits name it."""
        ...

    async def check(self, question: GateQuestion) -> Verdict:
        """Whether that may go to a broker; where it raises, that counts as no answer."""
        ...
