"""The fold of what is said of orders that hang on others: the orders' own events move them, these are for readers."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from ordergate.domain.book import Book
from ordergate.domain.contingencies.events import CloseCut, ProtectionFailed


def _said(_state: Book, _event: ProtectionFailed | CloseCut, _index: int, _time: datetime) -> None:
    """Changes nothing."""


CONTINGENCY_FOLDS: Final[Mapping[type, Callable[[Book, Any, int, datetime], None]]] = {
    ProtectionFailed: _said,
    CloseCut: _said,
}
