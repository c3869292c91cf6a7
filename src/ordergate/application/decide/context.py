"""What a decision has at hand."""

from collections.abc import Callable, Generator
from datetime import datetime
from typing import TypeVar

from msgspec import Struct

from ordergate.application.view import View
from ordergate.domain.book import Book
from ordergate.domain.breaks import Break, BreakKind
from ordergate.domain.orders.events import AnyEvent, BreakRaised
from ordergate.domain.orders.order import Order, Request
from ordergate.domain.orders.states import Phase

T = TypeVar("T")
Decision = Generator[AnyEvent, None, T]


class Context(Struct):
    """State, view, and the times that this step may use.

    Attributes:
        now: the moment of the input.
        tick: the next instant of the journal: not before now, and after every earlier one.
        index: where the next event will stand in the journal.
    """

    state: Book
    view: View
    now: Callable[[], datetime]
    tick: Callable[[], datetime]
    index: Callable[[], int]

    def ticks(self, count: int) -> tuple[datetime, ...]:
        """As many instants, each after the one before."""
        return tuple(self.tick() for _ in range(count))


class OrderResult(Struct, frozen=True, kw_only=True):
    """The order as committed; `replayed` where the same request had made it before."""

    order: Order
    replayed: bool = False


def started(request: Request, epoch: int | None, at: datetime) -> Request:
    """The request as sent in that epoch, or waiting where the session is not up."""
    if epoch is None:
        return request
    return Request(
        number=request.number,
        kind=request.kind,
        client_id=request.client_id,
        phase=Phase.SENT,
        epoch=epoch,
        sent_at=at,
        quantity=request.quantity,
        limit_price=request.limit_price,
        stop_price=request.stop_price,
    )


def raise_break(
    ctx: Context, kind: BreakKind, broker: str, detail: str, order_id: str | None = None
) -> Decision[None]:
    """Journals something that does not fit."""
    yield BreakRaised(
        item=Break(
            break_id=f"brk-{ctx.index()}",
            kind=kind,
            broker=broker,
            detail=detail,
            raised_at=ctx.tick(),
            order_id=order_id,
        )
    )
