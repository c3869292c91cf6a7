"""Executions: which of a broker's trades, corrections and busts count.

Of a trade and all that refers to it, directly or through another, the latest counts: a correction with its
own quantity and price, a bust with nothing. Time is the broker's; of equal times the greater id is later; the
trade itself is the earliest. So a set of executions gives one result in whatever order it arrives; what is
referred to before it arrives is kept as an *awaited* row.

Rules of reference: FIX 4.4, ExecType F, G, H with ExecRefID (19); volume 4, appendix D, J.1.a to J.1.c.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from ordergate.domain.money import ONE, ZERO
from ordergate.domain.orders.states import ExecutionKind, Side


class Delta(Struct, frozen=True, array_like=True):
    """A change of one balance: `position_key` is `venue:type:symbol`, `source` is trade or fee."""

    position_key: str
    amount: Decimal
    source: str


class Fill(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One execution as booked.

    Attributes:
        exec_id: the broker's; the same one of an order counts once.
        refers_to: exec_id that a bust or correction is about.
        quantity: in the instrument's unit; 0 for a bust.
        ratio: the order's `ratio` when it was booked.
        counts: whether it is part of the order's filled quantity now.
        superseded_by: exec_id of a later execution about the same trade.
        awaited: only referred to so far; the broker has not reported it.
        late: it arrived after the order's end.
    """

    fill_id: str
    order_id: str
    exec_id: str
    fund_id: str
    symbol: str
    side: Side
    broker: str
    time: datetime
    booked_at: datetime
    quantity: Decimal = ZERO
    price: Decimal = ZERO
    fee: Decimal = ZERO
    fee_currency: str | None = None
    kind: ExecutionKind = ExecutionKind.TRADE
    refers_to: str | None = None
    ratio: Decimal = ONE
    counts: bool = True
    superseded_by: str | None = None
    awaited: bool = False
    late: bool = False
    deltas: tuple[Delta, ...] = ()


Lookup = Callable[[str], Fill | None]


def supersede(fill: Fill, known: Lookup) -> tuple[Fill, ...]:
    """What booking `fill` changes: the rows to write, the new one first.

    `known` finds the order's other executions by exec_id. Empty where the execution is known already.
    """
    before = known(fill.exec_id)
    if before is not None and not before.awaited:
        return ()
    if before is not None:
        fill = replace(fill, counts=False, superseded_by=before.superseded_by)
    if fill.refers_to is None:
        return (fill,)
    return _link(fill, known)


def _link(fill: Fill, known: Lookup) -> tuple[Fill, ...]:
    rows = {fill.exec_id: fill}

    def find(exec_id: str) -> Fill | None:
        return rows.get(exec_id) or known(exec_id)

    about = fill.refers_to or ""
    if find(about) is None:
        rows[about] = _awaited(fill, about)
    ours, theirs = _last(fill, find), _last(find(about) or fill, find)
    if ours.exec_id != theirs.exec_id:
        loser, winner = (theirs, ours) if _age(theirs) < _age(ours) else (ours, theirs)
        rows[loser.exec_id] = replace(loser, counts=False, superseded_by=winner.exec_id)
    return tuple(rows.values())


def _awaited(fill: Fill, exec_id: str) -> Fill:
    return replace(
        fill,
        fill_id=f"{fill.order_id}.{exec_id}",
        exec_id=exec_id,
        quantity=ZERO,
        price=ZERO,
        fee=ZERO,
        fee_currency=None,
        kind=ExecutionKind.TRADE,
        refers_to=None,
        awaited=True,
        superseded_by=None,
        deltas=(),
    )


def _last(fill: Fill, find: Lookup) -> Fill:
    while fill.superseded_by is not None:
        later = find(fill.superseded_by)
        if later is None:
            break
        fill = later
    return fill


def _age(fill: Fill) -> tuple[bool, datetime, str]:
    return fill.kind is not ExecutionKind.TRADE, fill.time, fill.exec_id


def effective(fill: Fill, ratio: Decimal) -> Decimal:
    """The quantity that a fill adds to an order whose restatements multiply to `ratio`."""
    if not fill.counts or fill.awaited:
        return ZERO
    return fill.quantity if fill.ratio == ratio else fill.quantity * ratio / fill.ratio
