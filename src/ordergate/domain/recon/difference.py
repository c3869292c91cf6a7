"""One thing in which our record of an account and the broker's own differ."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from ordergate.domain.breaks import BreakKind, Cause, order_key
from ordergate.domain.identifiers import is_made_here, order_id_of
from ordergate.domain.orders.reports import Executed
from ordergate.domain.recon.statement import Ours


class Difference(Struct, frozen=True, gc=False, kw_only=True):
    """One thing in which the records differ.

    Attributes:
        ours: of a position or balance, what it would be once the differences of fills were settled.
        key: what it is about; the same in every comparison that finds it.
        excused: something under way can explain it.
        look_up: the broker can be asked about the order, and what it says be booked.
        asks: orders that may explain it, where executions are not told.
        closing: an execution by which the broker itself closed something, or what takes it back; it is booked as told.
    """

    kind: BreakKind
    key: str
    detail: str
    order_id: str | None = None
    symbol: str | None = None
    cause: Cause | None = None
    ours: Decimal | None = None
    theirs: Decimal | None = None
    excused: bool = False
    look_up: bool = False
    asks: tuple[str, ...] = ()
    closing: Executed | None = None

    @property
    def off(self) -> Decimal | None:
        """How much more they have."""
        return None if self.ours is None or self.theirs is None else self.theirs - self.ours


def is_since(ours: Ours, at: datetime | None) -> bool:
    """Whether that is so only since the broker was asked."""
    return at is not None and (ours.asked_after is None or at > ours.asked_after)


def unknown(ours: Ours, client_id: str | None, what: str, said: Executed | None = None) -> Difference:
    """An order that the broker has and we do not know. We commit before we send, so nothing under way explains it.

    One by which it closed what an order of ours had opened is as unknown as that.
    """
    order_id = order_id_of(client_id) if client_id else ""
    name = client_id or (said.broker_order_id if said is not None else None) or "without a name"
    made = client_id or (said.closes if said is not None else None) or ""
    made_id = order_id_of(made)
    is_elsewhere = made_id in ours.elsewhere
    is_lost = is_made_here(made) and not is_elsewhere and made_id not in ours.orders
    known = "has it at another broker" if is_elsewhere else "does not know it"
    return Difference(
        kind=BreakKind.UNKNOWN_ORDER,
        key=order_key(order_id or name),
        detail=f"order {name} {what}, and the journal {known}",
        symbol=None if said is None else said.symbol,
        cause=Cause.JOURNAL_BEHIND if is_lost else Cause.FOREIGN,
    )
