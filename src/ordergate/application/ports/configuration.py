"""The port to where the configuration stands: a file, a hub, a key of a server."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from msgspec import Struct

from ordergate.domain.errors import OrdergateError


class SourceError(OrdergateError):
    """A source gives no configuration; the text says where, what came, and what would be right."""


class Snapshot(Struct, frozen=True, kw_only=True):
    """What a source says, at one moment.

    Attributes:
        revision: names what it says: another where that is another, as a version or a digest.
        values: in the shape of the file, its tables as mappings and its decimals as Decimal, int or str; what it
            leaves out, other sources or defaults say.
    """

    revision: str
    values: Mapping[str, Any]


class ConfigSource(Protocol):
    """Where a part of the configuration comes from.

    Attributes:
        name: of the source, such as file, hub or kv.
    """

    @property
    def name(self) -> str:
        """Of the source."""
        ...

    async def fetch(self) -> Snapshot:
        """All that it says now.

        Raises:
            SourceError: it cannot be reached, or what it says is no table. Nothing there is an error, not an empty
                configuration.
        """
        ...

    async def watch(self, changed: Callable[[], None]) -> None:
        """Calls `changed` when there may be something new; runs until it is canceled, and outlives what goes away.

        It is a trigger only: what counts is what `fetch` gives, which is also asked from time to time.
        """
        ...

    async def close(self) -> None:
        """Lets go of it."""
        ...
