"""What the door needs of the table: `ordergate.bootstrap` hands it in."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

Mark = tuple[str, str, str | None]
"""A signal's id, what becomes its `execution_status`, and its `order_id`, or None."""


class SignalRow(Protocol):
    """An approved signal."""

    @property
    def signal_id(self) -> str:
        """Its id, as text."""
        ...

    @property
    def at(self) -> datetime:
        """When it was put there."""
        ...

    @property
    def fields(self) -> Mapping[str, str]:
        """By the names that signals have for them, as text."""
        ...


class SignalRows(Protocol):
    """The table; every call raises OrdergateError while it cannot be used."""

    async def check(self) -> str | None:
        """Looks at its columns, before anything else is asked; returns why nothing can be written back, else None."""
        ...

    async def approved(
        self, since: datetime, after: tuple[datetime, str] | None, limit: int
    ) -> Sequence[SignalRow]:
        """Signals that are approved and pending, put there from `since` on, oldest first, behind one of them."""
        ...

    async def submitted(self, since: datetime, limit: int) -> Sequence[str]:
        """The ids of signals, put there from `since` on, that are told as submitted; newest first."""
        ...

    async def left_behind(self, since: datetime, until: datetime) -> int:
        """How many rows put there from `since` to before `until` are approved, and still pending."""
        ...

    async def mark(self, marks: Sequence[Mark], since: datetime) -> None:
        """Says what became of signals, in one change of the table; of those still pending or submitted."""
        ...
