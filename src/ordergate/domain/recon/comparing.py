"""The comparator: our record of an account against the broker's own. Pure; it decides nothing and changes nothing.

What is under way can make two true records differ: a report that has not come, a fill that was booked after the broker
looked. Such a difference is excused: it counts only once it has stood unchanged for the grace. Positions and money
are compared net of the differences of fills, so that one cause is one difference; but not of those that a person has
explained: nobody will book them, so what they make of the sums is a difference of its own, which can be adjusted.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Final

from ordergate.domain.breaks import BreakKind, Cause
from ordergate.domain.identifiers import order_id_of
from ordergate.domain.money import ZERO, plain, text
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import TERMINAL, UNSENT, Phase, RequestKind, State
from ordergate.domain.recon.difference import Difference, is_since, unknown
from ordergate.domain.recon.executed import Moved, fills_of
from ordergate.domain.recon.holding import HoldingKind, moved_by
from ordergate.domain.recon.statement import Ours, Statement, Terms

_AT_BROKER: Final = (State.SUBMITTED, State.PARTIALLY_FILLED)
_OF_ORDERS: Final = frozenset({BreakKind.STILL_WORKING, BreakKind.NOT_WORKING})
_OF_FILLS: Final = frozenset(
    {
        BreakKind.MISSING_FILL, BreakKind.EXTRA_FILL, BreakKind.BUSTED_FILL, BreakKind.WRONG_QUANTITY,
        BreakKind.WRONG_PRICE, BreakKind.WRONG_SIDE, BreakKind.WRONG_INSTRUMENT,
    }
)  # fmt: skip
BY_NAME: Final = _OF_FILLS | {BreakKind.UNKNOWN_ORDER}
"""The kinds that are found by what a statement names, and not by its sums."""


def covers(theirs: Statement) -> frozenset[BreakKind]:
    """The kinds of differences that a statement can show."""
    kinds: frozenset[BreakKind] = frozenset()
    if theirs.working is not None:
        kinds |= _OF_ORDERS
    if theirs.executions is not None:
        kinds |= _OF_FILLS
    if theirs.working is not None and theirs.executions is not None:
        kinds |= {BreakKind.UNKNOWN_ORDER}
    if theirs.positions is not None:
        kinds |= {BreakKind.POSITION}
    return kinds if theirs.balances is None else kinds | {BreakKind.BALANCE}


def compare(ours: Ours, theirs: Statement, terms: Terms) -> tuple[Difference, ...]:
    """Everything in which the two differ; nothing where the statement is not complete."""
    if not theirs.complete:
        return ()
    found: dict[str, Difference] = {}
    moves = _Moves()
    fills = list(fills_of(ours, theirs, terms))
    for difference, moved in fills:
        if not is_explained(ours, difference):
            moves.add(ours, moved)
    missing = {one.order_id for one, _moved in fills if one.kind is BreakKind.MISSING_FILL}
    for difference in (*_orders(ours, theirs), *(one for one, _moved in fills)):
        if difference.kind is not BreakKind.NOT_WORKING or difference.order_id not in missing:
            found.setdefault(difference.key, difference)
    for difference in (*_positions(ours, theirs, terms, moves), *_money(ours, theirs, terms, moves)):
        found[difference.key] = difference
    return tuple(found.values())


def is_explained(ours: Ours, difference: Difference) -> bool:
    """Whether a person has said of just this difference that nothing is to be done."""
    return ours.explained.get(difference.key) == (difference.ours, difference.theirs)


class _Moves:
    """By how much the differences of fills explain those of positions and money."""

    def __init__(self) -> None:
        self.quantities: defaultdict[str, Decimal] = defaultdict(Decimal)
        self.money: defaultdict[str, Decimal] = defaultdict(Decimal)

    def add(self, ours: Ours, moved: Moved) -> None:
        """Fills that one side has."""
        for fill, sign in moved:
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
            yield unknown(ours, there[order_id], "works there")
        elif order.state in UNSENT:
            yield Difference(
                kind=BreakKind.STILL_WORKING,
                key=f"working/{order_id}",
                detail=f"it works at the broker, and never left here: it is {order.state}",
                order_id=order_id,
                symbol=order.symbol,
                cause=Cause.JOURNAL_BEHIND,
                look_up=True,
            )
        elif order.state in TERMINAL or order.state is State.FILLED:
            ended_at = order.ended_at or order.filled_at
            yield Difference(
                kind=BreakKind.STILL_WORKING,
                key=f"working/{order_id}",
                detail=f"it works at the broker, and is {order.state} here",
                order_id=order_id,
                symbol=order.symbol,
                # A replace under way may have made it larger, with its fills told before that.
                excused=is_since(ours, ended_at) or order.open_request(RequestKind.REPLACE) is not None,
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


def _positions(ours: Ours, theirs: Statement, terms: Terms, moves: _Moves) -> Iterator[Difference]:
    if theirs.positions is None:
        return
    live = _live(ours, theirs)
    for symbol in sorted(ours.positions.keys() | theirs.positions.keys() | moves.quantities.keys()):
        named, yours = moves.quantities[symbol], theirs.positions.get(symbol, ZERO)
        mine = plain(ours.positions.get(symbol, ZERO) + named)
        if not terms.quantities.covers(mine, yours):
            excused = symbol in ours.touched or symbol in live or ours.fresh
            asks = tuple(live.get(symbol, ()))
            yield _sum(BreakKind.POSITION, symbol, (mine, named, yours), asks, excused=excused)


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
            excused, asking = currency in asks or ours.fresh, tuple(asks.get(currency, ()))
            yield _sum(BreakKind.BALANCE, currency, (mine, named, yours), asking, excused=excused)


def _sum(
    kind: BreakKind,
    name: str,
    sums: tuple[Decimal, Decimal, Decimal],
    asks: tuple[str, ...],
    *,
    excused: bool,
) -> Difference:
    """Of a symbol or currency: ours, what is in it of fills that differ, theirs."""
    mine, named, yours = sums
    return Difference(
        kind=kind,
        key=f"{kind}/{name}",
        detail=f"{text(mine)} {name} here{_with(named)}, {text(yours)} at the broker",
        symbol=name,
        ours=mine,
        theirs=yours,
        excused=excused,
        asks=asks,
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


def certain(
    differences: Iterable[Difference], has_stood: Callable[[Difference], bool]
) -> tuple[tuple[Difference, ...], tuple[Difference, ...]]:
    """Those that count, and those that something under way may still explain."""
    counted, perhaps = list[Difference](), list[Difference]()
    for one in differences:
        (perhaps if one.excused and not has_stood(one) else counted).append(one)
    return tuple(counted), tuple(perhaps)
