"""The comparator: our record of an account against the broker's own. Pure; it decides nothing and changes nothing.

What is under way can make two true records differ: a report that has not come, a fill that was booked after the broker
looked. Such a difference is excused: it counts only once it has stood unchanged for the grace. Positions and money
are compared net of the differences of fills, so that one cause is one difference.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct

from ordergate.domain.breaks import BreakKind, Cause
from ordergate.domain.identifiers import is_client_order_id, order_id_of
from ordergate.domain.money import ZERO, plain, text
from ordergate.domain.orders.executions import Fill
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.reports import Executed
from ordergate.domain.orders.states import TERMINAL, ExecutionKind, Phase, RequestKind, Side, State
from ordergate.domain.recon.holding import HoldingKind, moved_by
from ordergate.domain.recon.statement import Ours, Statement, Terms

_AT_BROKER: Final = (State.SUBMITTED, State.PARTIALLY_FILLED)
_OF_ORDERS: Final = frozenset({BreakKind.UNKNOWN_ORDER, BreakKind.STILL_WORKING, BreakKind.NOT_WORKING})
_OF_FILLS: Final = frozenset(
    {
        BreakKind.MISSING_FILL, BreakKind.EXTRA_FILL, BreakKind.BUSTED_FILL, BreakKind.WRONG_QUANTITY,
        BreakKind.WRONG_PRICE, BreakKind.WRONG_SIDE, BreakKind.WRONG_INSTRUMENT,
    }
)  # fmt: skip
BY_NAME: Final = _OF_FILLS | {BreakKind.UNKNOWN_ORDER}
"""The kinds that are found by what a statement names, and not by its sums."""


class Difference(Struct, frozen=True, gc=False, kw_only=True):
    """One thing in which the records differ.

    Attributes:
        ours: of a position or balance, what it would be once the differences of fills were settled.
        key: what it is about; the same in every comparison that finds it.
        excused: something under way can explain it.
        look_up: the broker can be asked about the order, and what it says be booked.
        asks: orders that may explain it, where executions are not told.
    """

    kind: BreakKind
    key: str
    detail: str
    order_id: str | None = None
    symbol: str | None = None
    cause: Cause | None = None
    ours: Decimal | None = None
    theirs: Decimal | None = None
    excused: bool = False
    look_up: bool = False
    asks: tuple[str, ...] = ()


def covers(theirs: Statement) -> frozenset[BreakKind]:
    """The kinds of differences that a statement can show."""
    kinds: frozenset[BreakKind] = frozenset()
    if theirs.working is not None:
        kinds |= _OF_ORDERS
    if theirs.executions is not None:
        kinds |= _OF_FILLS | {BreakKind.UNKNOWN_ORDER}
    if theirs.positions is not None:
        kinds |= {BreakKind.POSITION}
    return kinds if theirs.balances is None else kinds | {BreakKind.BALANCE}


def compare(ours: Ours, theirs: Statement, terms: Terms) -> tuple[Difference, ...]:
    """Everything in which the two differ; nothing where the statement is not complete."""
    if not theirs.complete:
        return ()
    found: dict[str, Difference] = {}
    moves = _Moves()
    fills = list(_fills(ours, theirs, terms, moves))
    missing = {one.order_id for one in fills if one.kind is BreakKind.MISSING_FILL}
    for difference in (*_orders(ours, theirs), *fills):
        if difference.kind is not BreakKind.NOT_WORKING or difference.order_id not in missing:
            found.setdefault(difference.key, difference)
    for difference in (*_positions(ours, theirs, terms, moves), *_money(ours, theirs, terms, moves)):
        found[difference.key] = difference
    return tuple(found.values())


class _Moves:
    """By how much the differences of fills explain those of positions and money."""

    def __init__(self) -> None:
        self.quantities: defaultdict[str, Decimal] = defaultdict(Decimal)
        self.money: defaultdict[str, Decimal] = defaultdict(Decimal)

    def add(self, ours: Ours, fill: Fill, sign: int) -> None:
        """A fill that one side has."""
        instrument = ours.instruments.get(fill.symbol)
        for kind, name, quantity in () if instrument is None else moved_by(fill, instrument, sign):
            (self.quantities if kind is HoldingKind.POSITION else self.money)[name] += quantity


def _orders(ours: Ours, theirs: Statement) -> Iterator[Difference]:
    if theirs.working is None:
        return
    there = {order_id_of(client_id): client_id for client_id in theirs.working}
    for order_id in sorted(there):
        order = ours.orders.get(order_id)
        if order is None:
            yield _unknown(there[order_id], "works there")
        elif order.state in TERMINAL or order.state is State.FILLED:
            ended_at = order.ended_at or order.filled_at
            yield Difference(
                kind=BreakKind.STILL_WORKING,
                key=f"working/{order_id}",
                detail=f"it works at the broker, and is {order.state} here",
                order_id=order_id,
                symbol=order.symbol,
                excused=_is_since(ours, ended_at),
            )
    for order_id, order in sorted(ours.orders.items()):
        if order.state in _AT_BROKER and order_id not in there and not _is_new(order):
            yield Difference(
                kind=BreakKind.NOT_WORKING,
                key=f"not-working/{order_id}",
                detail=f"it is {order.state} here, and does not work at the broker",
                order_id=order_id,
                symbol=order.symbol,
                cause=Cause.NOT_TOLD,
                excused=True,  # its end may be on its way
                look_up=True,
            )


def _is_new(order: Order) -> bool:
    """Whether the broker may not have it yet, or a person was told that nobody knows."""
    submit = order.open_request(RequestKind.SUBMIT)
    return submit is not None or any(request.phase is Phase.PARKED for request in order.requests)


def _is_since(ours: Ours, at: datetime | None) -> bool:
    """Whether that is so only since the broker was asked."""
    return at is not None and (ours.asked_after is None or at > ours.asked_after)


def _unknown(client_id: str | None, what: str, said: Executed | None = None) -> Difference:
    """An order that the broker has and we do not know. We commit before we send, so nothing under way explains it."""
    order_id = order_id_of(client_id) if client_id else ""
    name = client_id or (said.broker_order_id if said is not None else None) or "without a name"
    is_ours = client_id is not None and is_client_order_id(client_id)
    return Difference(
        kind=BreakKind.UNKNOWN_ORDER,
        key=f"order/{order_id or name}",
        detail=f"order {name} {what}, and the journal does not know it",
        symbol=None if said is None else said.symbol,
        cause=Cause.JOURNAL_BEHIND if is_ours else Cause.FOREIGN,
    )


def _fills(ours: Ours, theirs: Statement, terms: Terms, moves: _Moves) -> Iterator[Difference]:
    if theirs.executions is None:
        return
    grace_from = theirs.as_of - timedelta(seconds=terms.grace_s)
    there = {(_order_of(ours, said), said.exec_id) for said in theirs.executions}
    over = {(_order_of(ours, said), said.refers_to) for said in theirs.executions}
    for said in theirs.executions:
        key = _order_of(ours, said), said.exec_id
        order, fill = ours.orders.get(key[0]), ours.fills.get(key)
        missing = order is None or fill is None or fill.awaited
        if missing and said.execution_kind is not ExecutionKind.BUST and key not in over:
            moves.add(ours, _as_fill(said, order), 1)
        if order is None:
            yield _unknown(said.client_id, "was filled there", said)
        elif fill is None or fill.awaited:
            yield _missing(ours, order, said, moves, excused=said.time > grace_from)
        else:
            yield from _wrong(ours, fill, said, terms, moves)
    since = theirs.executions_since
    for name, fill in sorted(ours.fills.items()):
        if name in there or not fill.counts or fill.awaited or (since is not None and fill.time < since):
            continue
        moves.add(ours, fill, -1)
        yield Difference(
            kind=BreakKind.EXTRA_FILL,
            key=f"fill/{fill.order_id}/{fill.exec_id}",
            detail=f"execution {fill.exec_id}: {text(fill.quantity)} at {text(fill.price)}, which the broker has not",
            order_id=fill.order_id,
            symbol=fill.symbol,
            cause=Cause.TAKEN_BACK,
            ours=fill.quantity,
            theirs=ZERO,
            excused=_is_since(ours, fill.booked_at),
        )


def _missing(ours: Ours, order: Order, said: Executed, moves: _Moves, *, excused: bool) -> Difference:
    busted = said.execution_kind is ExecutionKind.BUST
    before = ours.fills.get((order.order_id, said.refers_to or ""))
    if before is not None and before.counts:
        moves.add(ours, before, -1)
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


def _wrong(ours: Ours, fill: Fill, said: Executed, terms: Terms, moves: _Moves) -> Iterator[Difference]:
    wrong = _wrong_numbers(fill, said, terms) if said.execution_kind is not ExecutionKind.BUST else None
    if wrong is None:
        return
    kind, detail, mine, yours = wrong
    if fill.counts:
        moves.add(ours, fill, -1)
        moves.add(ours, _as_fill(said, ours.orders.get(fill.order_id)), 1)
    yield Difference(
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
    )


def _positions(ours: Ours, theirs: Statement, terms: Terms, moves: _Moves) -> Iterator[Difference]:
    if theirs.positions is None:
        return
    live = _live(ours, theirs)
    for symbol in sorted(ours.positions.keys() | theirs.positions.keys() | moves.quantities.keys()):
        named, yours = moves.quantities[symbol], theirs.positions.get(symbol, ZERO)
        mine = plain(ours.positions.get(symbol, ZERO) + named)
        if not terms.quantities.covers(mine, yours):
            yield Difference(
                kind=BreakKind.POSITION,
                key=f"position/{symbol}",
                detail=f"{text(mine)} {symbol} here{_with(named)}, {text(yours)} at the broker",
                symbol=symbol,
                ours=mine,
                theirs=yours,
                excused=symbol in ours.touched or symbol in live or ours.fresh,
                asks=tuple(live.get(symbol, ())),
            )


def _money(ours: Ours, theirs: Statement, terms: Terms, moves: _Moves) -> Iterator[Difference]:
    if theirs.balances is None:
        return
    live = _live(ours, theirs)
    busy = [symbol for symbol in sorted(ours.touched | live.keys()) if symbol in ours.instruments]
    asks: dict[str, list[str]] = {ours.instruments[symbol].currency: [] for symbol in busy}
    for symbol in busy:
        asks[ours.instruments[symbol].currency] += live.get(symbol, ())
    for currency, yours in sorted(theirs.balances.items()):
        opening = terms.opening.get(currency, (theirs.paid_in or {}).get(currency))
        if opening is None:
            continue  # what was there before is not known, so nothing can be said
        named = moves.money[currency]
        mine = plain(opening + ours.cash.get(currency, ZERO) + named)
        if not terms.balances.covers(mine, yours):
            yield Difference(
                kind=BreakKind.BALANCE,
                key=f"balance/{currency}",
                detail=f"{text(mine)} {currency} here{_with(named)}, {text(yours)} at the broker",
                symbol=currency,
                ours=mine,
                theirs=yours,
                excused=currency in asks or ours.fresh,
                asks=tuple(asks.get(currency, ())),
            )


def _live(ours: Ours, theirs: Statement) -> dict[str, list[str]]:
    """By symbol, the orders whose executions may have moved the broker's figures alone, where it tells of none."""
    live: dict[str, list[str]] = {}
    for order_id, order in sorted(ours.orders.items()):
        if theirs.executions is None and order.state in _AT_BROKER:
            live.setdefault(order.symbol, []).append(order_id)
    return live


def _with(named: Decimal) -> str:
    """Says so where a figure of ours has differences of fills in it, which are breaks of their own."""
    return f", with {text(plain(named))} of fills that differ" if named else ""


def _order_of(ours: Ours, said: Executed) -> str:
    if said.client_id is not None:
        return order_id_of(said.client_id)
    return ours.by_broker_id.get(said.broker_order_id or "", "")


def certain(
    differences: Iterable[Difference], has_stood: Callable[[Difference], bool]
) -> tuple[tuple[Difference, ...], tuple[Difference, ...]]:
    """Those that count, and those that something under way may still explain."""
    counted, perhaps = list[Difference](), list[Difference]()
    for one in differences:
        (perhaps if one.excused and not has_stood(one) else counted).append(one)
    return tuple(counted), tuple(perhaps)
