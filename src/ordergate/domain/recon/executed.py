"""The executions of an account: ours against those that a statement names, one by one."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from decimal import Decimal

from msgspec.structs import replace

from ordergate.domain.breaks import BreakKind, Cause
from ordergate.domain.contingencies.protection import CLOSES, has_opened
from ordergate.domain.identifiers import order_id_of
from ordergate.domain.money import ZERO, text
from ordergate.domain.orders.executions import Fill
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.reports import Executed
from ordergate.domain.orders.states import UNSENT, ExecutionKind, Side, State
from ordergate.domain.recon.difference import Difference, is_since, unknown
from ordergate.domain.recon.statement import Ours, Statement, Terms

Moved = tuple[tuple[Fill, int], ...]
"""Fills that one side has, each with the sign of what it would move."""


def fills_of(ours: Ours, theirs: Statement, terms: Terms) -> Iterator[tuple[Difference, Moved]]:
    """The differences, each with the fills that would move ours to theirs."""
    if theirs.executions is None:
        return
    grace_from = theirs.as_of - timedelta(seconds=terms.grace_s)
    there = {(_order_of(ours, said), said.exec_id) for said in theirs.executions}
    over = {(_order_of(ours, said), said.refers_to) for said in theirs.executions}
    for said in theirs.executions:
        key = _order_of(ours, said), said.exec_id
        order, fill = ours.orders.get(key[0]), ours.fills.get(key)
        stands = said.execution_kind is not ExecutionKind.BUST and key not in over
        booked: Moved = ((_as_fill(said, order), 1),) if stands else ()
        entry = _closed(ours, said) if order is None else None
        if entry is not None:
            closed = replace(entry, order_id="", side=CLOSES[entry.side])
            told = _of_broker(_missing(entry, said, excused=said.time > grace_from), said)
            yield told, ((_as_fill(said, closed), 1),) if stands else ()
        elif order is None:
            yield unknown(ours, said.client_id, "was filled there", said), booked
        elif fill is None or fill.awaited:
            before = ours.fills.get((order.order_id, said.refers_to or ""))
            undone: Moved = ((before, -1),) if before is not None and before.counts else ()
            # What never left here has no report on its way: the journal is older than the account.
            told = _missing(order, said, excused=said.time > grace_from and order.state not in UNSENT)
            if order.state in UNSENT:
                told = replace(told, cause=Cause.JOURNAL_BEHIND)
            yield _of_broker(told, said) if order.by_broker else told, (*booked, *undone)
        elif (wrong := _wrong(fill, said, terms)) is not None:
            yield wrong, ((fill, -1), (_as_fill(said, order), 1)) if fill.counts else ()
    since = theirs.executions_since
    for name, fill in sorted(ours.fills.items()):
        if name in there or not fill.counts or fill.awaited or (since is not None and fill.time < since):
            continue
        yield _extra(ours, fill), ((fill, -1),)


def _closed(ours: Ours, said: Executed) -> Order | None:
    """The entry of ours of which a broker closed something by itself, by an order that the journal does not know."""
    if said.closes is None or said.client_id is not None or said.broker_order_id is None:
        return None
    entry = ours.orders.get(order_id_of(said.closes))
    return entry if entry is not None and has_opened(entry, said.broker) else None


def _of_broker(missing: Difference, said: Executed) -> Difference:
    """The same of an order that the broker made by itself: it cannot be asked for by a name of ours."""
    return replace(missing, look_up=False, closing=said)


def whole_closings(ours: Ours, theirs: Statement, found: Iterable[Difference], terms: Terms) -> Iterator[str]:
    """The broker's ids of orders that it made by itself and has in its record as they are booked, since a while."""
    told: dict[str, set[str]] = {}
    for said in theirs.executions or ():
        told.setdefault(said.broker_order_id or "", set()).add(said.exec_id)
    differs = {one.order_id for one in found}
    until = theirs.as_of - timedelta(seconds=terms.grace_s)
    for order_id, order in sorted(ours.orders.items()):
        name = order.broker_order_id
        if name is None or not order.by_broker or order.state is not State.FILLED or order_id in differs:
            continue
        booked = {fill.exec_id for fill in ours.fills.values() if fill.order_id == order_id and fill.counts}
        if booked <= told.get(name, set()) and order.updated_at < until:
            yield name


def _extra(ours: Ours, fill: Fill) -> Difference:
    return Difference(
        kind=BreakKind.EXTRA_FILL,
        key=f"fill/{fill.order_id}/{fill.exec_id}",
        detail=f"execution {fill.exec_id}: {text(fill.quantity)} at {text(fill.price)}, which the broker has not",
        order_id=fill.order_id,
        symbol=fill.symbol,
        cause=Cause.TAKEN_BACK,
        ours=fill.quantity,
        theirs=ZERO,
        excused=is_since(ours, fill.booked_at),
    )


def _missing(order: Order, said: Executed, *, excused: bool) -> Difference:
    busted = said.execution_kind is ExecutionKind.BUST
    what = f"took {said.refers_to} back" if busted else f"is {text(said.quantity)} at {text(said.price)}"
    return Difference(
        kind=BreakKind.BUSTED_FILL if busted else BreakKind.MISSING_FILL,
        key=f"fill/{order.order_id}/{said.exec_id}",
        detail=f"execution {said.exec_id} at the broker {what}, and was not booked",
        order_id=order.order_id,
        symbol=order.symbol,
        cause=Cause.TAKEN_BACK if busted else Cause.NOT_TOLD,
        ours=ZERO,
        theirs=said.quantity,
        excused=excused,
        look_up=True,
    )


def _wrong(fill: Fill, said: Executed, terms: Terms) -> Difference | None:
    wrong = _wrong_numbers(fill, said, terms) if said.execution_kind is not ExecutionKind.BUST else None
    if wrong is None:
        return None
    kind, detail, mine, yours = wrong
    return Difference(
        kind=kind,
        key=f"fill/{fill.order_id}/{fill.exec_id}",
        detail=f"execution {fill.exec_id} at the broker is {detail}",
        order_id=fill.order_id,
        symbol=fill.symbol,
        ours=mine,
        theirs=yours,
    )


def _wrong_numbers(
    fill: Fill, said: Executed, terms: Terms
) -> tuple[BreakKind, str, Decimal | None, Decimal | None] | None:
    if said.symbol not in (None, fill.symbol):
        return BreakKind.WRONG_INSTRUMENT, f"in {said.symbol}, and was booked in {fill.symbol}", None, None
    if said.side is not None and said.side.sign != fill.side.sign:
        return BreakKind.WRONG_SIDE, f"a {said.side}, and was booked as a {fill.side}", None, None
    if not terms.quantities.covers(fill.quantity, said.quantity):
        detail = f"of {text(said.quantity)}, and was booked of {text(fill.quantity)}"
        return BreakKind.WRONG_QUANTITY, detail, fill.quantity, said.quantity
    if fill.price != said.price:
        detail = f"at {text(said.price)}, and was booked at {text(fill.price)}"
        return BreakKind.WRONG_PRICE, detail, fill.price, said.price
    return None


def _as_fill(said: Executed, order: Order | None) -> Fill:
    """An execution as it would be booked, to see what it would move; nobody books this."""
    side = said.side or (order.side if order is not None else None)
    return Fill(
        fill_id="",
        order_id="" if order is None else order.order_id,
        exec_id=said.exec_id,
        fund_id="",
        symbol=said.symbol or (order.symbol if order is not None else ""),
        side=side or Side.BUY,
        broker=said.broker,
        time=said.time,
        booked_at=said.time,
        quantity=ZERO if side is None else said.quantity,
        price=said.price,
        fee=said.fee,
        fee_currency=said.fee_currency,
        told=said.deltas,
    )


def _order_of(ours: Ours, said: Executed) -> str:
    if said.client_id is not None:
        return order_id_of(said.client_id)
    return ours.by_broker_id.get(said.broker_order_id or "", "")
