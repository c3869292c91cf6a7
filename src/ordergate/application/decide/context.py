"""What a decision has at hand."""

from collections.abc import Callable, Generator
from datetime import datetime
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from ordergate.application.view import View
from ordergate.domain.book import Book
from ordergate.domain.breaks import Break, BreakKind, Cause
from ordergate.domain.events import AnyEvent
from ordergate.domain.orders.decision import RiskDecision
from ordergate.domain.orders.events import BreakRaised, OrderClosed, RequestOpened
from ordergate.domain.orders.order import Order, Request
from ordergate.domain.orders.states import Phase, State

T = TypeVar("T")
Decision = Generator[AnyEvent, None, T]


class Context(Struct):
    """State, view, and the times that this step may use.

    Attributes:
        now: the moment of the input.
        ticks: the next instants of the journal, as many: not before now, and each after every earlier one.
        index: where the next event will stand in the journal.
        by: the principal of the command.
    """

    state: Book
    view: View
    now: Callable[[], datetime]
    ticks: Callable[[int], tuple[datetime, ...]]
    index: Callable[[], int]
    by: str = "local"

    def tick(self) -> datetime:
        """The next one."""
        return self.ticks(1)[0]


class OrderResult(Struct, frozen=True, kw_only=True):
    """The order as committed; `replayed` where the same request had made it before.

    Attributes:
        decision: what the risk gate said of a new order or a change.
    """

    order: Order
    replayed: bool = False
    decision: RiskDecision | None = None


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
        repeated=request.repeated,
        cuts=request.cuts,
    )


def asked_again(ctx: Context, order: Order, cancel: Request) -> RequestOpened:
    """An open cancel once more, under the same id: that may always be."""
    epoch = ctx.view.sessions.get(order.broker)
    again = started(replace(cancel, phase=Phase.READY), epoch, ctx.tick())
    return RequestOpened(order_id=order.order_id, request=again)


def raise_break(
    ctx: Context,
    kind: BreakKind,
    broker: str,
    detail: str,
    order_id: str | None = None,
    key: str | None = None,
    cause: Cause | None = None,
) -> Decision[None]:
    """Journals something that does not fit; nothing, where that report has been one already."""
    if key is not None and (broker, key) in ctx.state.reported:
        return
    yield BreakRaised(
        item=Break(
            break_id=f"brk-{ctx.index()}",
            kind=kind,
            broker=broker,
            detail=detail,
            raised_at=ctx.tick(),
            order_id=order_id,
            key=key,
            cause=cause,
        )
    )


def close_if_done(ctx: Context, order_id: str) -> Decision[None]:
    """Closes an order that is filled and confirmed, once no request of it is open."""
    order = ctx.state.orders.rows[order_id]
    if order.state is State.FILLED and order.confirmed and not order.requests:
        yield OrderClosed(order_id=order_id, path=(State.CLOSED,), times=(ctx.tick(),))
