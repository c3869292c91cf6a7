"""Names for new things."""

from typing import Protocol


class Ids(Protocol):
    """Makes order ids: unique, at most 32 characters of `A-Za-z0-9_-`."""

    def order_id(self) -> str:
        """A fresh one."""
        ...
