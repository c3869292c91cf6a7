"""What a broker's executions mean for an order: booked whatever its state, and said aloud where they are strange."""

from datetime import UTC, datetime

from ordergate.application.decide.context import Context, Decision, raise_break
from ordergate.application.decide.slipping import say_if_slipped
from ordergate.application.decide.wrong import report_key
from ordergate.domain.breaks import BreakKind
from ordergate.domain.fold import filled_after
from ordergate.domain.money import ZERO, text
from ordergate.domain.moves import MovePhase
from ordergate.domain.orders import events as e
from ordergate.domain.orders import reports as r
from ordergate.domain.orders.executions import Fill
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import TERMINAL, ExecutionKind, RequestKind, State
from ordergate.domain.orders.transitions import Move, next_state


def executed(ctx: Context, order: Order, said: r.Executed) -> Decision[None]:
    """Books an execution that is not known yet; a break beside it where it is late or too much."""
    known = ctx.state.fills.get((order.order_id, said.exec_id))
    if known is not None and not known.awaited:
        if said.completes and order.state is State.FILLED and not order.confirmed:
            yield e.OrderConfirmed(order_id=order.order_id)  # it was said before a replace that came late
        yield from _say_if_other(ctx, order, said, known)
        return
    fill = _fill(ctx, order, said, known)
    filled = filled_after(ctx.state, order, fill)
    move = Move.FILL if said.execution_kind is ExecutionKind.TRADE else Move.CORRECT
    target = next_state(order.state, move, filled, order.quantity)
    completes = said.completes or order.confirmed  # perhaps said before, out of order
    others = [q for q in order.requests if q.kind is not RequestKind.SUBMIT]
    path = (target,) if target is not order.state else ()
    if completes and target is State.FILLED and not others:
        path = (*path, State.CLOSED)
    times = ctx.ticks(len(path))
    yield _fill_event(order, said, fill, path, times, completes=completes)
    yield from _say_if_moved(ctx, order, said)
    if move is Move.FILL and order.operation.is_trade:
        yield from say_if_slipped(ctx, order, ctx.state.fills.rows[order.order_id, fill.exec_id])
    late = f"execution {said.exec_id} of {text(said.quantity)} after the end of the order ({order.state})"
    too_much = filled > order.quantity > 0 and not order.by_broker
    if too_much and (filled > order.filled_quantity or not fill.late):
        detail = f"{text(filled)} filled of {text(order.quantity)}" + (f": {late}" if fill.late else "")
        yield from raise_break(ctx, BreakKind.OVERFILL, order.broker, detail, order.order_id)
    elif fill.late:
        yield from raise_break(ctx, BreakKind.LATE_FILL, order.broker, late, order.order_id)


def _say_if_other(ctx: Context, order: Order, said: r.Executed, booked: Fill) -> Decision[None]:
    """A broker that means to take back what it has said names another execution: what is booked stays as it is."""
    bust = said.execution_kind is ExecutionKind.BUST
    quantity, price = (ZERO, ZERO) if bust else (said.quantity, said.price)
    if quantity != booked.quantity:
        kind, said_now, before = BreakKind.WRONG_QUANTITY, f"of {text(quantity)}", text(booked.quantity)
    elif price != booked.price:
        kind, said_now, before = BreakKind.WRONG_PRICE, f"at {text(price)}", text(booked.price)
    else:
        return
    detail = f"execution {said.exec_id} is told again {said_now}, and was booked with {before}: that stays"
    key = report_key(kind, said, order.order_id)
    yield from raise_break(ctx, kind, order.broker, detail, order.order_id, key=key)


def _say_if_moved(ctx: Context, order: Order, said: r.Executed) -> Decision[None]:
    """It is booked where its order is, though the fund and what it holds are in another shard by now."""
    move = ctx.state.moves.get(order.fund_id)
    if move is not None and move.phase is MovePhase.LEFT:
        detail = f"execution {said.exec_id} came after fund {order.fund_id} had moved to shard {move.shard}"
        yield from raise_break(ctx, BreakKind.FUND_MOVED, order.broker, detail, order.order_id)


def _fill(ctx: Context, order: Order, said: r.Executed, awaited: Fill | None) -> Fill:
    bust = said.execution_kind is ExecutionKind.BUST
    number = ctx.state.execution_count(order.order_id) + 1
    return Fill(
        fill_id=awaited.fill_id if awaited is not None else f"{order.order_id}-f{number}",
        order_id=order.order_id,
        exec_id=said.exec_id,
        fund_id=order.fund_id,
        symbol=order.symbol,
        side=order.side,
        broker=order.broker,
        time=said.time.astimezone(UTC),
        booked_at=ctx.tick(),
        quantity=ZERO if bust else said.quantity,
        price=ZERO if bust else said.price,
        fee=said.fee,
        fee_currency=said.fee_currency
        or (ctx.state.instruments.rows[order.symbol].currency if said.fee else None),
        kind=said.execution_kind,
        refers_to=said.refers_to,
        ratio=order.ratio,
        late=order.state in TERMINAL,
        told=None if bust else said.deltas,
    )


def _fill_event(
    order: Order,
    said: r.Executed,
    fill: Fill,
    path: tuple[State, ...],
    times: tuple[datetime, ...],
    *,
    completes: bool,
) -> e.AnyOrderEvent:
    if said.execution_kind is ExecutionKind.CORRECT:
        return e.FillCorrected(order_id=order.order_id, path=path, times=times, fill=fill)
    if said.execution_kind is ExecutionKind.BUST:
        return e.FillBusted(order_id=order.order_id, path=path, times=times, fill=fill)
    return e.OrderFilled(
        order_id=order.order_id,
        path=path,
        times=times,
        fill=fill,
        broker_order_id=said.broker_order_id,
        completes=completes,
    )
