"""What a door needs of a running ordergate; `ordergate.bootstrap.Gate` has it all, and so has `Shards`."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ordergate.application.comparison import Comparison
from ordergate.application.engine import Command
from ordergate.application.entry import Origin
from ordergate.application.health import BrokersHealth
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.journal import Journal
from ordergate.application.queries import Queries
from ordergate.application.runner import Runner
from ordergate.domain.market import Quote


class Logins(Protocol):
    """Who tries logins again that brokers have refused."""

    async def reconnect(self, broker: str) -> None:
        """Tries one; see `bootstrap.logins.Logins`."""
        ...


class Shard(Protocol):
    """One journal and its runner, as doors see them.

    Attributes:
        runner: tells of commits, and how it is.
        journal: for reading alone.
        lists: queries that may take long.
        health: of its brokers.
    """

    runner: Runner
    journal: Journal
    lists: Queries
    health: BrokersHealth

    @property
    def logins(self) -> Logins:
        """Who tries refused logins again."""
        ...

    @property
    def compared_brokers(self) -> Sequence[str]:
        """The names of the brokers that tell of their accounts."""
        ...

    async def compare(self, broker: str) -> Comparison:
        """Compares the account at a broker with the broker's own record; see `bootstrap.Gate.compare`."""
        ...


class Gate(Protocol):
    """A running ordergate, as doors see it.

    Attributes:
        lists: queries that may take long, and hold nothing else up.
    """

    queries: Queries
    lists: Queries
    clock: Clock

    @property
    def shards(self) -> Mapping[str, Shard]:
        """Its journals by the names of their shards; one, without a name, where there are no shards."""
        ...

    async def find(self, order_id: str) -> Shard:
        """The shard that has an order; any, where none has it."""
        ...

    @property
    def quotes(self) -> Mapping[str, Quote]:
        """The last quote of each symbol."""
        ...

    @property
    def paper_venues(self) -> Sequence[str]:
        """The names of the brokers that are paper venues."""
        ...

    async def execute(self, command: Command, origin: Origin | None = None, raw: str | None = None) -> Any:
        """Runs a command; see `Runner.execute`."""
        ...

    async def preview(self, command: Command, origin: Origin | None = None) -> Any:
        """What `execute` would answer now; see `Runner.preview`."""
        ...

    def check_symbol(self, symbol: str) -> None:
        """Raises NotFound unless there is such an instrument."""
        ...

    async def put_quote(self, broker: str, quote: Quote) -> None:
        """Sets the market of a paper venue; returns when what that made marketable is journalled."""
        ...
