"""An order that a broker has and the journal does not know: what its reports mean, and when nobody may trade on."""

from ordergate.application.decide.context import Context, Decision, raise_break
from ordergate.application.decide.halting import throw
from ordergate.application.decide.wrong import name_of, report_key
from ordergate.domain.breaks import BreakKind, Cause, order_key
from ordergate.domain.identifiers import is_made_here, order_id_of
from ordergate.domain.orders import reports as r
from ordergate.domain.risk.commands import ThrowSwitch
from ordergate.domain.risk.kill_switch import Trigger
from ordergate.domain.risk.limits import Level


def unknown_order(ctx: Context, said: r.AnyReport) -> Decision[None]:
    """Journals a break, one for each order, and halts where only an older journal explains it.

    A comparison that finds the order knows the break by its key.
    """
    named = said.client_id or said.broker_order_id
    order_id = order_id_of(said.client_id) if said.client_id is not None else said.broker_order_id
    kind, detail = BreakKind.UNKNOWN_ORDER, f"{name_of(said)} of order {named!r}"
    key = report_key(kind, said, None) if not order_id else order_key(order_id)
    if (said.broker, key) in ctx.state.reported:
        return
    ours = said.client_id is not None and is_made_here(said.client_id)
    behind = ours and ctx.state.orders.get(order_id or "") is None
    cause = Cause.JOURNAL_BEHIND if behind else Cause.FOREIGN
    yield from raise_break(ctx, kind, said.broker, detail, key=key, cause=cause)
    if behind:
        yield from halt_behind(ctx, said.broker, detail)


def halt_behind(ctx: Context, broker: str, detail: str) -> Decision[None]:
    """Halts a broker whose account is ahead of the journal, in the step that says so: nothing is sent in between."""
    reason = f"the journal is older than the account: {detail}"
    switch = ThrowSwitch(level=Level.BROKER, name=broker, reason=reason, trigger=Trigger.RECONCILIATION)
    yield from throw(ctx, switch)
