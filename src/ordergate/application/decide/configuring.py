"""A change of the configuration: all of it in one step, or nothing."""

from datetime import datetime

from ordergate.application.decide.context import Context, Decision
from ordergate.application.decide.halting import covering_halt
from ordergate.application.decide.limiting import configure_limits
from ordergate.application.decide.setup import configure
from ordergate.application.view import View
from ordergate.domain.book import Book
from ordergate.domain.configuration import MOST_KEYS, ChangeConfiguration, ConfigurationChanged, Guarded
from ordergate.domain.errors import Code, Conflict
from ordergate.domain.orders.commands import Configure
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import TERMINAL
from ordergate.domain.risk.commands import ConfigureLimits
from ordergate.domain.risk.limits import NOTHING, ConfiguredLimits, loosened, shown_scope

_NAMED = 5


def change_configuration(ctx: Context, command: ChangeConfiguration) -> Decision[None]:
    """Journals what differs from what the journal knows, and which keys changed.

    Raises:
        Conflict: an order has not ended that a changed key is about, limits would be loosened during a halt, or as
            for `Configure`.
        Invalid: as for `ConfigureLimits`.
    """
    for guarded in command.guarded:
        _check_open_orders(ctx, guarded)
    for stated in command.limits:
        reason = withheld(ctx.state, stated, ctx.now())
        if reason is not None:
            raise Conflict(Code.HALTED, reason, f"#/limits/{stated.level}/{stated.name}")
    yield from configure(ctx, Configure(command.funds, command.instruments))
    yield from configure_limits(ctx, ConfigureLimits(command.limits))
    if not is_news(ctx.view, command):
        return
    yield ConfigurationChanged(
        source=command.source,
        revision=command.revision,
        digest=command.digest,
        changes=command.changes[:MOST_KEYS],
        more=max(len(command.changes) - MOST_KEYS, 0),
    )


def is_news(view: View, command: ChangeConfiguration) -> bool:
    """Whether no other node has journalled the same change; of what is hidden the digest cannot tell."""
    return view.configuration != command.digest or any(one.is_hidden for one in command.changes)


def withheld(state: Book, stated: ConfiguredLimits, now: datetime) -> str | None:
    """Why limits cannot be taken over now; None where they can: a halt's are not loosened before it is lifted."""
    scope = (stated.level, stated.name)
    row, halt = state.limits.get(scope), covering_halt(state, scope)
    looser = [] if halt is None else loosened(NOTHING if row is None else row.at(now), stated.limits)
    if halt is None or not looser:
        return None
    return f"{', '.join(looser)} would be loosened while {shown_scope(halt.scope)} is halted: lift the halt first"


def _check_open_orders(ctx: Context, guarded: Guarded) -> None:
    found = [order.order_id for order in ctx.state.orders.rows.values() if _is_about(guarded, order)]
    if found:
        detail = (
            f"cannot change while {', '.join(sorted(found)[:_NAMED])}"
            f"{' and more have' if len(found) > _NAMED else ' has' if len(found) == 1 else ' have'} not ended: "
            "cancel them or wait"
        )
        raise Conflict(Code.CONFIGURATION, detail, f"#/{guarded.key}")


def _is_about(guarded: Guarded, order: Order) -> bool:
    if order.state in TERMINAL:
        return False
    return (
        guarded.fund_id == order.fund_id or guarded.broker == order.broker or guarded.symbol == order.symbol
    )
