"""Overrides: an order that a check refused goes on once, on the word of two."""

from ordergate.application.decide.context import Context, Decision, OrderResult
from ordergate.application.decide.moving import check_here
from ordergate.application.decide.submitting import submit
from ordergate.domain.errors import Code, Conflict, Invalid, NotFound
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.decision import RiskCode
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import State
from ordergate.domain.risk.commands import AskOverride, GrantOverride, TurnDownOverride
from ordergate.domain.risk.events import OverrideAnswered, OverrideAsked
from ordergate.domain.risk.override import DEFAULT_OVERRIDE, LONGEST_OVERRIDE, NEVER_WAIVED, Override
from ordergate.domain.times import format_time

KEY_KIND = "override"
"""Of the key of the order that is made: the refused order's id, so that it is made once."""
_NOT_OF_THE_ORDER = ("key_kind", "key", "order_id", "retry_of")
_CODES = frozenset(RiskCode)
_TERMS = tuple(name for name in SubmitOrder.__struct_fields__ if name not in _NOT_OF_THE_ORDER)


def ask(ctx: Context, command: AskOverride) -> Decision[Override]:
    """Asks that one refused order may go on.

    Raises:
        NotFound: there is no such order.
        Conflict: no check refused it, or one that nobody overrides; or it was asked for already.
        Invalid: without a reason, or for too long.
    """
    order, now = _order(ctx, command.order_id), ctx.now()
    check_here(ctx, order.fund_id)
    if not command.reason.strip():
        raise Invalid(Code.MISSING, "is missing: why should it go on all the same?", "#/reason")
    codes = _codes(ctx, order)
    before = ctx.state.overrides.get(order.order_id)
    if before is not None and (before.approved or before.is_open(now)):
        detail = f"an override of order {order.order_id} was " + (
            f"granted: it became order {before.made}" if before.approved else "asked for: answer that one"
        )
        raise Conflict(Code.OVERRIDE_TAKEN, detail, "#/order_id")
    expires_at = now + DEFAULT_OVERRIDE if command.expires_at is None else command.expires_at
    expires_at = min(expires_at, order.expires_at or expires_at)
    if not now < expires_at <= now + LONGEST_OVERRIDE:
        latest = format_time(now + LONGEST_OVERRIDE)
        detail = f"{format_time(expires_at)} is over, or too far: name a time to come, {latest} at the latest"
        raise Invalid(Code.BAD_VALUE, detail, "#/expires_at")
    override = Override(
        order_id=order.order_id,
        codes=codes,
        reason=command.reason,
        asked_by=ctx.by,
        asked_at=now,
        expires_at=expires_at,
    )
    yield OverrideAsked(order_id=order.order_id, override=override)
    return override


def _order(ctx: Context, order_id: str) -> Order:
    order = ctx.state.orders.get(order_id)
    if order is None:
        raise NotFound(Code.ORDER_NOT_FOUND, f"there is no order {order_id!r}", "#/order_id")
    return order


def _codes(ctx: Context, order: Order) -> tuple[RiskCode, ...]:
    """What must be waived for it: its refusal, and what an override had waived for it already."""
    if order.state is not State.REJECTED or order.reason_code not in _CODES:
        detail = f"order {order.order_id} ({order.state}) was not refused by a check of the risk gate"
        raise Conflict(Code.NOT_OVERRIDABLE, detail, "#/order_id")
    if order.slice is not None:
        detail = f"order {order.order_id} is a slice of {order.parent_order_id}, whose later slices do what it did not"
        raise Conflict(Code.NOT_OVERRIDABLE, detail, "#/order_id")
    code = RiskCode(order.reason_code)
    if code in NEVER_WAIVED:
        raise Conflict(Code.NOT_OVERRIDABLE, f"nobody overrides {code}: {order.reason}", "#/order_id")
    made_by = None if order.retry_of is None else ctx.state.overrides.get(order.retry_of)
    earlier = made_by.codes if made_by is not None and made_by.made == order.order_id else ()
    return (*earlier, code)


def grant(ctx: Context, command: GrantOverride) -> Decision[OrderResult]:
    """Submits the order once more, past those checks alone.

    Raises:
        NotFound: nobody asked for it.
        Conflict: it was answered, or its time is over; or the principal who asked would grant it.
        Invalid: the order can no longer be as it was.
    """
    override = _open(ctx, command.order_id)
    if ctx.by == override.asked_by:
        detail = (
            f"{ctx.by!r} asked for the override of order {override.order_id}: another principal must grant it"
        )
        raise Conflict(Code.SAME_PRINCIPAL, detail, None)
    again = _again(_order(ctx, override.order_id), ctx.view.new_order_id())
    yield _answered(ctx, command, made=again.order_id)
    return (yield from submit(ctx, again, override.codes))


def turn_down(ctx: Context, command: TurnDownOverride) -> Decision[Override]:
    """Leaves the order refused.

    Raises:
        NotFound: nobody asked for it.
        Conflict: it was answered, or its time is over.
    """
    _open(ctx, command.order_id)
    yield _answered(ctx, command)
    return ctx.state.overrides.rows[command.order_id]


def _open(ctx: Context, order_id: str) -> Override:
    override = ctx.state.overrides.get(order_id)
    if override is None:
        detail = f"nobody has asked for an override of order {order_id!r}"
        raise NotFound(Code.NO_OVERRIDE, detail, "#/order_id")
    if not override.is_open(ctx.now()):
        over = f"its time was over at {format_time(override.expires_at)}"
        if override.approved is not None:
            over = f"it was {'granted' if override.approved else 'turned down'} by {override.answered_by}"
        raise Conflict(Code.OVERRIDE_OVER, f"the override of order {order_id}: {over}", "#/order_id")
    return override


def _answered(
    ctx: Context, command: GrantOverride | TurnDownOverride, made: str | None = None
) -> OverrideAnswered:
    return OverrideAnswered(
        order_id=command.order_id, approved=made is not None, by=ctx.by, reason=command.reason, made=made
    )


def _again(order: Order, new_id: str) -> SubmitOrder:
    terms = {name: getattr(order, name) for name in _TERMS}
    return SubmitOrder(
        **terms, order_id=new_id, key_kind=KEY_KIND, key=order.order_id, retry_of=order.order_id
    )
