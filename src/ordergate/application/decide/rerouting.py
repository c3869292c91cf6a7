"""Failover: an order goes to the next broker of its route, with proof that the one before does not have it.

Proof is an order that waits and never left, or was disproved: ACCEPTED, with its submit READY and nothing else open.
What may have left stays where it is, however long that takes to find out. No order goes round the gate: at the next
broker it is judged as if it were not there yet, and where others would have to agree it does not go.
"""

from msgspec.structs import replace

from ordergate.application.decide.changing import release
from ordergate.application.decide.context import Context, Decision
from ordergate.application.decide.gate import judge, others_to_ask
from ordergate.application.decide.parents import parent_of
from ordergate.application.decide.submitting import question_of
from ordergate.domain.identifiers import MOST_REQUESTS
from ordergate.domain.orders.commands import Release
from ordergate.domain.orders.decision import RiskDecision
from ordergate.domain.orders.order import Order, Request
from ordergate.domain.orders.rerouting import OrderRerouted
from ordergate.domain.orders.states import Phase, RequestKind, State
from ordergate.domain.risk.case import Case
from ordergate.domain.routing import RerouteOrder, later
from ordergate.domain.slippage import arrival_mid


def reroute(ctx: Context, command: RerouteOrder) -> Decision[None]:
    """Moves an order on that has waited for its broker for long enough.

    Nothing, where it could leave by now, or will once the broker's account is compared: that may show that it did.
    """
    order = ctx.state.orders.get(command.order_id)
    if order is not None and order.broker not in ctx.view.sessions:
        yield from go_on(ctx, order.order_id, command.reason)


def go_on(ctx: Context, order_id: str, reason: str) -> Decision[bool]:
    """Moves an order on to the next broker that may have it, and sends it there, if one may; says whether."""
    order = ctx.state.orders.rows[order_id]
    request = unsent(order)
    found = None if request is None else _next(ctx, order)
    if found is None:
        return False
    broker, decision = found
    following = order.next_request(RequestKind.SUBMIT)
    yield OrderRerouted(
        order_id=order_id,
        broker=broker,
        before=order.broker,
        request=following,
        reason=reason,
        decision=decision,
    )
    yield from release(ctx, Release(order_id=order_id, number=following.number))
    return True


def unsent(order: Order) -> Request | None:
    """The order's submit, where it is certain that nothing of the order is at its broker; else None."""
    if order.state is not State.ACCEPTED or len(order.requests) != 1 or order.request_count >= MOST_REQUESTS:
        return None
    request = order.requests[0]
    waits = request.kind is RequestKind.SUBMIT and request.phase is Phase.READY
    return request if waits and order.broker_order_id is None and not order.filled_quantity else None


def _next(ctx: Context, order: Order) -> tuple[str, RiskDecision] | None:
    """The next broker of the route that is not down and at which the gate lets the order through.

    Not one at which others must agree first: what they have agreed to is the order at the broker where it is.
    """
    for broker in later(order.route, order.broker):
        if broker in ctx.view.brokers and not ctx.view.is_down(broker):
            decision, case = _judged(ctx, order, broker)
            if decision.code is None and not others_to_ask(case):
                return broker, decision
    return None


def _judged(ctx: Context, order: Order, broker: str) -> tuple[RiskDecision, Case]:
    fund, instrument = ctx.state.funds.rows[order.fund_id], ctx.state.instruments.rows[order.symbol]
    exposures, parent = ctx.state.exposures, parent_of(ctx, order)
    asked = question_of(ctx, order, broker, instrument, parent)
    asked = replace(asked, is_new=False, arrival=arrival_mid(order))

    def look() -> tuple[RiskDecision, Case]:
        return exposures.without(order, lambda: judge(ctx, asked, fund, instrument))

    # What a slice gives up its parent would take, and both would count.
    return look() if parent is None else exposures.without(parent, look)
