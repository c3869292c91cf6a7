"""Executions: which of a broker's trades, corrections and busts count.

Of a trade and all that refers to it, directly or through another, one speaks: what nothing else refers to,
and of several such the latest. Time is the broker's; of equal times the greater id is later. A correction that
speaks counts with its own quantity and price, a bust with nothing. So a set of executions gives one result in
whatever order it arrives; what is referred to before it arrives is kept as an *awaited* row.

Rules of reference: FIX 4.4, ExecType F, G, H with ExecRefID (19); volume 4, appendix D, J.1.a to J.1.c.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from ordergate.domain.money import ONE, ZERO
from ordergate.domain.orders.states import ExecutionKind, Side


class Delta(Struct, frozen=True, gc=False, array_like=True):
    """A change of one balance: `position_key` is `venue:type:symbol`; `source` says why it moved.

    Sources: trade, fee, transfer, funding, reward, initial.
    """

    position_key: str
    amount: Decimal
    source: str


class Fill(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One execution as booked.

    Attributes:
        exec_id: the broker's; the same one of an order counts once.
        refers_to: exec_id that a bust or correction is about.
        quantity: in the instrument's unit; 0 for a bust.
        ratio: the order's `ratio` when it was booked.
        counts: whether it is part of the order's filled quantity now.
        superseded_by: exec_id of the execution that speaks for the same trade; None where this one does.
        awaited: only referred to so far; the broker has not reported it.
        late: it arrived after the order's end.
        told: the deltas that the broker told, its fee not among them; None where it told none.
        deltas: the balances that it has moved; none where it does not count.
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
    told: tuple[Delta, ...] | None = None


def supersede(fill: Fill, known: Mapping[str, Fill]) -> tuple[Fill, ...]:
    """What booking `fill` changes: the rows to write, the new one first.

    `known` has the order's executions by exec_id. Empty where the execution is known already.
    """
    before = known.get(fill.exec_id)
    if before is not None and not before.awaited:
        return ()
    rows = {**known, fill.exec_id: fill}
    if fill.refers_to is not None and fill.refers_to not in rows:
        rows[fill.refers_to] = _awaited(fill, fill.refers_to)
    about = _about_the_same(fill.exec_id, rows)
    referred_to = {row.refers_to for row in about}
    last = [row for row in about if row.exec_id not in referred_to] or about
    speaks = max(last, key=lambda row: (row.time, row.exec_id)).exec_id
    judged = (_judged(row, speaks) for row in about)
    return tuple(row for row in judged if row != known.get(row.exec_id))


def _about_the_same(exec_id: str, rows: Mapping[str, Fill]) -> list[Fill]:
    """The executions that are linked by references: that one first, then by id, whatever memory's order is."""
    linked, found = {exec_id}, 0
    while found < len(linked):
        found = len(linked)
        for row in rows.values():
            if row.refers_to is not None and not linked.isdisjoint((row.exec_id, row.refers_to)):
                linked |= {row.exec_id, row.refers_to}
    others = sorted(linked & rows.keys() - {exec_id})
    return [rows[exec_id], *(rows[other] for other in others)]


def _judged(fill: Fill, speaks: str) -> Fill:
    if fill.exec_id == speaks:
        return replace(fill, counts=fill.kind is not ExecutionKind.BUST, superseded_by=None)
    return replace(fill, counts=False, superseded_by=speaks)


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
        deltas=(),
        told=None,
    )


def effective(fill: Fill | None, ratio: Decimal) -> Decimal:
    """The quantity that a fill adds to an order whose restatements multiply to `ratio`."""
    if fill is None or not fill.counts:
        return ZERO
    return fill.quantity if fill.ratio == ratio else fill.quantity * ratio / fill.ratio
