"""Fills that cost more than was borne: said, and the strategy is held back where its fund wants that."""

from ordergate.application.decide.context import Context, Decision
from ordergate.application.decide.halting import throw
from ordergate.domain.funds import SlippageTerms
from ordergate.domain.money import text
from ordergate.domain.orders.events import SlippageExceeded
from ordergate.domain.orders.executions import Fill
from ordergate.domain.orders.order import Order
from ordergate.domain.risk.commands import ThrowSwitch
from ordergate.domain.risk.kill_switch import Mode, Trigger
from ordergate.domain.risk.limits import Level
from ordergate.domain.slippage import MaxSlippage, arrival_mid, max_slippage_of, slippage


def say_if_slipped(ctx: Context, order: Order, fill: Fill) -> Decision[None]:
    """One event for a trade that was worse than the order bears, or else than its fund wants to be told of."""
    fund = ctx.state.funds.get(order.fund_id)
    terms = None if fund is None else fund.slippage
    most = max_slippage_of(order) or _of_fund(terms)
    benchmark = arrival_mid(order)
    if most is None or benchmark is None or not fill.counts:
        return
    slip = slippage(fill.side, fill.price, benchmark, ctx.state.instruments.rows[order.symbol].pip_size)
    if not most.exceeded_by(slip):
        return
    yield SlippageExceeded(
        order_id=order.order_id,
        fill_id=fill.fill_id,
        price=fill.price,
        benchmark=benchmark,
        bps=slip.bps,
        pips=slip.pips,
        most_bps=most.bps,
        most_pips=most.pips,
    )
    if terms is not None and terms.pause and order.strategy_id is not None:
        yield from _pause(ctx, order, fill)


def _of_fund(terms: SlippageTerms | None) -> MaxSlippage | None:
    return None if terms is None else MaxSlippage(bps=terms.alert_bps, pips=terms.alert_pips)


def _pause(ctx: Context, order: Order, fill: Fill) -> Decision[None]:
    """REDUCE_ONLY: what the strategy holds can still be closed. A stricter halt stands."""
    scope = Level.STRATEGY, order.strategy_id or ""
    before = ctx.state.halts.get(scope)
    if before is not None and before.holds:
        return
    reason = f"fill {fill.fill_id} at {text(fill.price)} slipped by more than is borne"
    yield from throw(
        ctx,
        ThrowSwitch(
            level=scope[0], name=scope[1], reason=reason, mode=Mode.REDUCE_ONLY, trigger=Trigger.SLIPPAGE
        ),
    )
