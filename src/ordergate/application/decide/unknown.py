"""An order that a broker has and the journal does not know: what its reports mean, and when nobody may trade on."""

from ordergate.application.decide.context import Context, Decision, raise_break
from ordergate.application.decide.halting import throw
from ordergate.application.decide.wrong import name_of, report_key
from ordergate.domain.breaks import BreakKind, Cause, order_key
from ordergate.domain.identifiers import is_made_here, order_id_of
from ordergate.domain.orders import reports as r
from ordergate.domain.orders.order import Order
from ordergate.domain.risk.commands import ThrowSwitch
from ordergate.domain.risk.kill_switch import Trigger
from ordergate.domain.risk.limits import Level
from ordergate.domain.routing import later


def unknown_order(ctx: Context, said: r.AnyReport) -> Decision[None]:
    """Journals a break, one for each order, and halts where only an older journal explains it.

    A comparison that finds the order knows the break by its key.
    """
    moved = _moved(ctx, said)
    if moved is not None:
        yield from _of_moved(ctx, said, moved)
        return
    closes = said.closes if isinstance(said, r.Executed) else None
    named = said.client_id or said.broker_order_id
    order_id = order_id_of(said.client_id) if said.client_id is not None else said.broker_order_id
    about = "" if closes is None else f", which closes {closes!r}"
    kind, detail = BreakKind.UNKNOWN_ORDER, f"{name_of(said)} of order {named!r}{about}"
    key = report_key(kind, said, None) if not order_id else order_key(order_id)
    if (said.broker, key) in ctx.state.reported:
        return
    ours = said.client_id or closes
    behind = ours is not None and is_made_here(ours) and ctx.state.orders.get(order_id_of(ours)) is None
    cause = Cause.JOURNAL_BEHIND if behind else Cause.FOREIGN
    yield from raise_break(ctx, kind, said.broker, detail, key=key, cause=cause)
    if behind:
        yield from halt_behind(ctx, said.broker, detail)


def _moved(ctx: Context, said: r.AnyReport) -> Order | None:
    """The order, where it was at that broker before it was rerouted."""
    order = None if said.client_id is None else ctx.state.orders.get(order_id_of(said.client_id))
    return None if order is None or order.route is None or said.broker not in order.route else order


def _of_moved(ctx: Context, said: r.AnyReport, order: Order) -> Decision[None]:
    """A broker that provably did not have an order says that it has: nothing more is sent there before a person looks.

    What it says to a request that is over says nothing.
    """
    if isinstance(said, r.LookedUp | r.Confirmed):
        return
    if isinstance(said, r.Answered) and said.outcome is not r.Outcome.ACCEPTED:
        return
    if said.broker in later(order.route, order.broker):
        yield from _of_a_later_one(ctx, said, order)
        return
    detail = f"{name_of(said)} of order {order.order_id}, which is at {order.broker}, for {said.broker} did not have it"
    key = report_key(BreakKind.UNKNOWN_ORDER, said, order.order_id)
    if (said.broker, key) in ctx.state.reported:
        return
    yield from raise_break(ctx, BreakKind.UNKNOWN_ORDER, said.broker, detail, order.order_id, key=key)
    switch = ThrowSwitch(level=Level.BROKER, name=said.broker, reason=detail, trigger=Trigger.RECONCILIATION)
    yield from throw(ctx, switch)


def _of_a_later_one(ctx: Context, said: r.AnyReport, order: Order) -> Decision[None]:
    """A broker has an order that was not there yet, as a restored journal knows: nor may it be sent where it is."""
    detail = f"{name_of(said)} of order {order.order_id}, which is at {order.broker} and was never at {said.broker}"
    key = report_key(BreakKind.UNKNOWN_ORDER, said, order.order_id)
    if (said.broker, key) in ctx.state.reported:
        return
    cause = Cause.JOURNAL_BEHIND
    yield from raise_break(
        ctx, BreakKind.UNKNOWN_ORDER, said.broker, detail, order.order_id, key=key, cause=cause
    )
    for broker in (order.broker, said.broker):
        yield from halt_behind(ctx, broker, detail)


def halt_behind(ctx: Context, broker: str, detail: str) -> Decision[None]:
    """Halts a broker whose account is ahead of the journal, in the step that says so: nothing is sent in between."""
    reason = f"the journal is older than the account: {detail}"
    switch = ThrowSwitch(level=Level.BROKER, name=broker, reason=reason, trigger=Trigger.RECONCILIATION)
    yield from throw(ctx, switch)
