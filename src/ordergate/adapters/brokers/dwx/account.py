"""What is in the account: positions net by symbol, whoever opened them, and what of ours waits for its price."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from ordergate.adapters.brokers.dwx.following import find
from ordergate.adapters.brokers.dwx.notebook import Known
from ordergate.adapters.brokers.dwx.reading import Orders
from ordergate.adapters.brokers.dwx.settings import DwxSettings
from ordergate.adapters.brokers.dwx.terms import Catalogue, unit_of
from ordergate.domain.money import ZERO, plain
from ordergate.domain.recon.statement import Statement


def statement_of(
    orders: Orders, alive: Iterable[Known], settings: DwxSettings, catalogue: Catalogue, now: datetime
) -> Statement:
    """Of one file, so of one moment. Raises Refused where a symbol's lots are not known."""
    ours = {theirs: symbol for symbol, theirs in settings.symbols.items()}
    positions: dict[str, Decimal] = {}
    for row in orders.rows.values():
        symbol = ours.get(row.symbol)
        if symbol is not None and row.is_position:
            quantity = row.sign * row.lots * unit_of(symbol, settings, catalogue)
            positions[symbol] = plain(positions.get(symbol, ZERO) + quantity)
    return Statement(as_of=now, complete=True, positions=positions, working=working(orders, alive))


def working(orders: Orders, alive: Iterable[Known]) -> frozenset[str]:
    """Client ids of the orders of ours that wait."""
    found = ((known.client_id, find(known, orders.rows)) for known in alive)
    return frozenset(
        client_id for client_id, there in found if there is not None and not there[1].is_position
    )
