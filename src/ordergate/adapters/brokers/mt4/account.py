"""What is in the account: what the terminal shows open, and what its events have told."""

from datetime import UTC, datetime
from decimal import Decimal

from ordergate.adapters.brokers.mt4.session import Behind, Session
from ordergate.adapters.brokers.mt4.wire import Orders
from ordergate.domain.money import ZERO, plain
from ordergate.domain.orders.reports import Executed
from ordergate.domain.recon.statement import Statement


def working_in(session: Session, orders: Orders) -> frozenset[str]:
    """Client ids of the orders of ours that work."""
    found: set[str] = set()
    for row in orders.rows:
        ref = session.book.ref_of(row)
        if ref and not row.is_open:
            found.add(session.book.known(ref, str(row.ticket)).accepted)
    return frozenset(found)


def statement_of(session: Session, orders: Orders, as_of: datetime, since: datetime) -> Statement:
    """Of one moment: that of the orders. Money is not told: a margin account's balance is not what was traded.

    Raises:
        Behind: a symbol's size is not known, or events are lost, whose executions it would lack.
    """
    if session.lost.is_set():
        raise Behind("events were lost, and what they would have told is not read from the account yet")
    told = [one for known in session.book.orders.values() for one in known.executions.values()]
    executions = [one for one in (*told, *session.book.closings.values()) if one.time >= since]
    return Statement(
        as_of=as_of,
        complete=True,
        positions=_positions(session, orders),
        working=working_in(session, orders),
        executions=_sorted(executions),
        executions_since=max(since, session.book.since),
    )


def _sorted(executions: list[Executed]) -> tuple[Executed, ...]:
    return tuple(sorted(executions, key=lambda one: one.time))


def _positions(session: Session, orders: Orders) -> dict[str, Decimal]:
    """Of everybody, by our symbol: longs less shorts."""
    sums: dict[str, Decimal] = {}
    for row in orders.rows:
        symbol = session.theirs.get(row.symbol)
        if symbol is not None and row.is_open:
            quantity = session.quantity(symbol, row.lots)
            sums[symbol] = plain(sums.get(symbol, ZERO) + (quantity if row.type == "buy" else -quantity))
    return sums


def instant(seconds: int) -> datetime:
    """Seconds since 1970, in GMT."""
    return datetime.fromtimestamp(seconds, UTC)
