"""What a node remembers: nodes that have folded the same journal must remember the same."""

from typing import Any

from ordergate.domain.orders.states import TERMINAL


def remembered(state: Any) -> list[str]:
    """Unfinished orders, open positions and lots; what has ended may be forgotten or not."""
    rows = [
        *(order for order in state.orders.rows.values() if order.state not in TERMINAL),
        *(row for row in state.positions.rows.values() if row.quantity),
        *(row for row in state.lots.rows.values() if row.closed_at is None),
    ]
    return sorted(map(repr, rows))
