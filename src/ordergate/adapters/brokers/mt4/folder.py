"""The bridge's folder as a session uses it; everything here blocks, and is done in the session's own thread."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from ordergate.adapters.brokers.mt4.files import read_whole, remove, write_whole
from ordergate.adapters.brokers.mt4.tailing import Place, read_on
from ordergate.adapters.brokers.mt4.wire import (
    Account,
    Orders,
    Symbol,
    Tick,
    Unreadable,
    line_of,
    read_as,
    rows_as,
)

T = TypeVar("T", bound=Struct)


class Owner(Struct, frozen=True, kw_only=True):
    """`owner.json`: who may command."""

    gen: int
    session: str


class Look(Struct, kw_only=True):
    """What one look at the folder has found; None is what could not be read, or is not there.

    Attributes:
        why: what went wrong, for people.
        place: where the events go on, once these lines are taken.
        more: there are more lines to read now.
    """

    account: Account | None = None
    orders: Orders | None = None
    lines: list[dict[str, Any]]
    results: dict[str, dict[str, Any]]
    place: Place | None = None
    more: bool = False
    why: str | None = None


class Folder:
    """One folder, as the page has it.

    Args:
        place: where it is on this machine.
    """

    def __init__(self, place: str) -> None:
        self.place = Path(place)

    def look(self, wanted: Iterable[str], after: Place | None = None) -> Look:
        """The heartbeat, then the events, then what is there: so that all that the heartbeat counts can be read.

        Args:
            wanted: ids of commands whose results are waited for.
            after: where the events go on; None for their beginning.
        """
        found = Look(lines=[], results={}, place=after)
        try:
            found.account = self.account()
            if found.account is not None:
                found.lines, found.place, found.more = read_on(self.place / "events", after)
            found.orders = self.orders()
        except (OSError, Unreadable) as error:
            found.why = str(error)
        for name in wanted:
            with suppress(OSError, Unreadable):
                said = read_whole(self._result(name))
                if said is not None:
                    found.results[name] = said
        return found

    def account(self) -> Account | None:
        """The heartbeat. Raises Unreadable."""
        return self._snapshot("account.json", Account)

    def orders(self) -> Orders | None:
        """What is open and what works. Raises Unreadable."""
        return self._snapshot("orders.json", Orders)

    def _snapshot(self, name: str, kind: type[T]) -> T | None:
        said = read_whole(self.place / "state" / name)
        return None if said is None else read_as(kind, said)

    def symbols(self) -> Mapping[str, Symbol]:
        """By the terminal's names. Raises Unreadable."""
        return {row.symbol: row for row in self._rows("symbols.json", Symbol)}

    def ticks(self) -> Mapping[str, Tick]:
        """By the terminal's names. Raises Unreadable."""
        return {row.symbol: row for row in self._rows("ticks.json", Tick)}

    def _rows(self, name: str, kind: type[T]) -> tuple[T, ...]:
        said = read_whole(self.place / "state" / name)
        return () if said is None else rows_as(kind, said)

    def owner(self) -> Owner | None:
        """Who may command. Raises Unreadable."""
        said = read_whole(self.place / "owner.json")
        return None if said is None else read_as(Owner, said)

    def own(self, owner: Owner, at: int) -> None:
        """Says who may command from now on. Raises as `write_whole`."""
        said = {"v": 1, "kind": "owner", "gen": owner.gen, "session": owner.session, "at": at}
        write_whole(self.place / "owner.json", line_of(said))

    def give(self, gen: int, seq: int, said: Mapping[str, Any]) -> None:
        """Hands a command over. Raises as `write_whole`."""
        write_whole(self.place / "in" / f"cmd-{gen:012d}-{seq:010d}.json", line_of(said))

    def taken(self, name: str) -> None:
        """The result of a command was read."""
        remove(self._result(name))

    def _result(self, name: str) -> Path:
        return self.place / "out" / f"res-{name}.json"

    @property
    def plans(self) -> Path:
        """Where we keep what orders of several steps are to do."""
        return self.place / "client"
