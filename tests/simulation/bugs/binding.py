"""Of what working orders and positions bind for the risk gate."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from ordergate.domain.book import Book
from ordergate.domain.risk.exposure import Exposures
from tests.simulation.bugs.registry import bug


@bug
def undone_orders_stay_bound() -> Iterator[Any]:
    """What a step had bound stays bound when its commit fails and it is undone."""
    undo = Book.undo

    def keeps(state: Book, mark: Any = (0, 0)) -> None:
        told, state.orders.changed = state.orders.changed, None
        try:
            undo(state, mark)
        finally:
            state.orders.changed = told

    with patch.object(Book, "undo", keeps):
        yield


@bug
def filled_orders_stay_bound() -> Iterator[Any]:
    """An order goes on binding what has been filled of it."""
    changed = Exposures.order_changed

    def keeps(exposures: Exposures, before: Any, after: Any) -> None:
        if before is not None and after is not None and after.filled_quantity > before.filled_quantity:
            return
        changed(exposures, before, after)

    with patch.object(Exposures, "order_changed", keeps):
        yield
