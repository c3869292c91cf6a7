"""The fold of what is for readers alone: other events move what it is about, in the same step."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from ordergate.domain.book import Book
from ordergate.domain.configuration import ConfigurationChanged
from ordergate.domain.contingencies.events import CloseCut, ProtectionFailed


def _said(
    _state: Book, _event: ProtectionFailed | CloseCut | ConfigurationChanged, _index: int, _time: datetime
) -> None:
    """Changes nothing."""


FOLDS_FOR_READERS: Final[Mapping[type, Callable[[Book, Any, int, datetime], None]]] = {
    ProtectionFailed: _said,
    CloseCut: _said,
    ConfigurationChanged: _said,
}
