"""What a broker closes by itself: a stop loss, a take profit or a stop-out of a position that our entry had opened.

It has happened, so neither gate nor halt is asked. An order of the entry's fund is adopted with its first execution,
in the size of that, and grows with every further one: the broker never says how large it was meant to be. What it
takes back makes the order smaller again.
"""

from decimal import Decimal
from typing import Final

from ordergate.application.decide.context import Context, Decision, raise_break
from ordergate.application.decide.unknown import unknown_order
from ordergate.application.decide.wrong import report_key, wrong_execution
from ordergate.domain.contingencies.protection import CLOSES, has_opened, level_at_broker
from ordergate.domain.funds import TaxLotMethod
from ordergate.domain.identifiers import order_id_of
from ordergate.domain.money import ZERO
from ordergate.domain.orders import events as e
from ordergate.domain.orders import reports as r
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import TERMINAL, ExecutionKind, OrderType, State, TimeInForce
from ordergate.domain.orders.transitions import Move, next_state

_CODE: Final = "CANCELED_BY_BROKER"
_TAKEN_BACK: Final = "the broker has taken back all that it had executed of it"
_REASON: Final = "the broker has executed more of it, or less"


def adopted(ctx: Context, said: r.AnyReport) -> Decision[Order | None]:
    """The order by which a broker closed what an entry of ours had opened; None, with a break, of any other report."""
    entry = _entry(ctx, said) if isinstance(said, r.Executed) else None
    if entry is None or not isinstance(said, r.Executed):
        yield from unknown_order(ctx, said)
        return None
    order = _closing(ctx, said, entry)
    wrong = wrong_execution(order, said)
    if wrong is not None:
        kind, detail = wrong
        key = report_key(kind, said, entry.order_id)
        yield from raise_break(ctx, kind, said.broker, detail, entry.order_id, key=key)
        return None
    yield e.OrderAdopted(order_id=order.order_id, path=(order.state,), times=(order.created_at,), order=order)
    return order


def _entry(ctx: Context, said: r.Executed) -> Order | None:
    if said.closes is None or said.client_id is not None or said.broker_order_id is None:
        return None
    entry = ctx.state.orders.get(order_id_of(said.closes))
    return entry if entry is not None and has_opened(entry, said.broker) else None


def _closing(ctx: Context, said: r.Executed, entry: Order) -> Order:
    now, kind = ctx.tick(), said.order_type or OrderType.MARKET
    specific = ctx.state.funds.rows[entry.fund_id].tax_lot_method is TaxLotMethod.SPECIFIC
    opened = (fill.fill_id for fill in ctx.state.order_executions(entry.order_id) if fill.counts)
    return Order(
        order_id=ctx.view.new_order_id(),
        fund_id=entry.fund_id,
        symbol=entry.symbol,
        side=CLOSES[entry.side],
        quantity=ZERO if said.execution_kind is ExecutionKind.BUST else said.quantity,
        order_type=kind,
        tif=TimeInForce.GTC,
        broker=entry.broker,
        broker_order_id=said.broker_order_id,
        state=State.SUBMITTED,
        created_at=now,
        updated_at=now,
        submitted_at=now,
        acknowledged_at=now,
        limit_price=level_at_broker(entry, kind) if kind is OrderType.LIMIT else None,
        stop_price=level_at_broker(entry, kind) if kind is OrderType.STOP else None,
        strategy_id=entry.strategy_id,
        order_manager=entry.order_manager,
        actor=said.broker,
        lots=tuple(opened) or None if specific else None,
        parent_order_id=entry.order_id,
        operation=entry.operation,
    )


def grown(ctx: Context, order: Order, said: r.Executed) -> Decision[None]:
    """Makes such an order so much larger as an execution of it needs, before that is booked."""
    if order.state in TERMINAL or said.execution_kind is not ExecutionKind.TRADE:
        return
    if (order.order_id, said.exec_id) not in ctx.state.fills.rows:
        quantity = order.filled_quantity + said.quantity
        if quantity > order.quantity:
            yield _restated(ctx, order, quantity)


def fitted(ctx: Context, order_id: str) -> Decision[None]:
    """Makes such an order as large as what counts of it, and ends it where that is nothing."""
    order = ctx.state.orders.rows[order_id]
    if order.state in TERMINAL:
        return
    if not order.filled_quantity:
        times = (ctx.tick(),)
        yield e.OrderCanceled(
            order_id=order_id, path=(State.CANCELED,), times=times, code=_CODE, reason=_TAKEN_BACK
        )
    elif order.filled_quantity != order.quantity:
        yield _restated(ctx, order, order.filled_quantity)


def _restated(ctx: Context, order: Order, quantity: Decimal) -> e.OrderRestated:
    target = next_state(order.state, Move.RESTATE, order.filled_quantity, quantity)
    path = () if target is order.state else (target,)
    return e.OrderRestated(
        order_id=order.order_id,
        path=path,
        times=ctx.ticks(len(path)),
        reason=_REASON,
        quantity=quantity,
    )
