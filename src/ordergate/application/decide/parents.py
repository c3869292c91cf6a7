"""Parents and their children: what a child has of its parent, and how a parent comes to its end."""

from msgspec.structs import replace

from ordergate.application.decide.context import Context, Decision
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.decision import RiskCode
from ordergate.domain.orders.events import OrderCanceled, OrderExpired
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.parent_events import WorkStopped
from ordergate.domain.orders.states import TERMINAL, RequestKind, State
from ordergate.domain.slippage import max_slippage_of

EXPIRED = "EXPIRED"


def parent_of(ctx: Context, order: SubmitOrder | Order) -> Order | None:
    """The parent that an order is a slice of, if memory has it."""
    if order.slice is None or order.parent_order_id is None:
        return None
    return ctx.state.orders.get(order.parent_order_id)


def children_of(ctx: Context, parent_id: str) -> list[Order]:
    """A parent's children that have not ended, in the order of their slices."""
    rows = ctx.state.orders.rows
    found = [rows[order_id] for order_id in ctx.state.exposures.parents.children(parent_id)]
    return sorted(found, key=lambda child: child.slice or 0)


def as_child(order: Order, parent: Order, key: str) -> Order:
    """A new order as the child that it is.

    What the parent bears of slippage counts from the market when the parent was made.
    """
    if max_slippage_of(parent) is not None:
        order = replace(order, arrival_bid=parent.arrival_bid, arrival_ask=parent.arrival_ask)
    return replace(order, idempotency_key=key, protect=parent.protect)


def overridden(ctx: Context, order: Order) -> tuple[RiskCode, ...]:
    """The refusals that a person has waived for an order."""
    override = None if order.retry_of is None else ctx.state.overrides.get(order.retry_of)
    return override.codes if override is not None and override.made == order.order_id else ()


def stop(ctx: Context, parent: Order, code: str, reason: str | None) -> Decision[None]:
    """Ends a parent, at once where none of its children is open; else it makes no more of them."""
    if parent.state in TERMINAL or parent.open_request(RequestKind.CANCEL) is not None:
        return
    if not ctx.state.exposures.parents.children(parent.order_id):
        yield ended(ctx, parent, code, reason)
        return
    yield WorkStopped(
        order_id=parent.order_id, request=parent.next_request(RequestKind.CANCEL), code=code, reason=reason
    )


def ended(ctx: Context, parent: Order, code: str, reason: str | None) -> OrderCanceled | OrderExpired:
    """The end of a parent that is not filled."""
    is_over = code == EXPIRED
    kind: type[OrderCanceled | OrderExpired] = OrderExpired if is_over else OrderCanceled
    state = State.EXPIRED if is_over else State.CANCELED
    return kind(order_id=parent.order_id, path=(state,), times=(ctx.tick(),), code=code, reason=reason)
