"""What a table is: columns with their types and meanings, and how each is made of a row of ours."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from ordergate.adapters.outlets.clickhouse import values as v
from ordergate.domain.instruments import Instrument
from ordergate.domain.orders.executions import Fill
from ordergate.domain.orders.order import Order
from ordergate.domain.positions.lots import Lot
from ordergate.domain.positions.position import Position
from ordergate.domain.slippage import Slippage, slippage

_ENCODE: Final = msgspec.json.Encoder().encode_lines
_ENGINE: Final = "ENGINE = ReplacingMergeTree(journal_index)"


class Stamp(Struct, frozen=True, gc=False):
    """Which journal a row is of, and the entry that it is not older than."""

    log: str
    journal_index: int


class OrderFacts(Struct, frozen=True):
    """What a row of `orders` is made of."""

    order: Order
    instrument: Instrument

    def slippage(self, benchmark: Any) -> Slippage:
        """Of its average price."""
        price = self.order.average_price
        if price is None:
            return Slippage()
        return slippage(self.order.side, price, benchmark, self.instrument.pip_size)


class FillFacts(Struct, frozen=True):
    """What a row of `executions` is made of."""

    fill: Fill
    order: Order
    instrument: Instrument

    def slippage(self, benchmark: Any) -> Slippage:
        """Of its price; of a bust, none."""
        if not self.fill.price:
            return Slippage()
        return slippage(self.fill.side, self.fill.price, benchmark, self.instrument.pip_size)


class PositionFacts(Struct, frozen=True):
    """What a row of `positions` is made of; `oldest` is its oldest open lot."""

    position: Position
    instrument: Instrument
    oldest: Lot | None


class Column(Struct, frozen=True):
    """A column, and what it means.

    Attributes:
        of: its value, before it is written as its type wants it.
    """

    name: str
    type: str
    meaning: str
    of: Callable[[Any], Any]


class Table(Struct, frozen=True):
    """A view, and the table of versions under it.

    Attributes:
        key: of the versions: one row of each is shown.
        shown: what the row of the highest index must be for the view to show it.
    """

    name: str
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    shown: str | None = None

    @property
    def versions(self) -> str:
        """The name of the table under the view."""
        return f"{self.name}_versions"

    @property
    def types(self) -> Mapping[str, str]:
        """Of all columns of the table of versions."""
        return {column.name: column.type for column in (*self.columns, *STAMPED)}

    def made(self, database: str) -> tuple[str, str]:
        """The statements that make both, where there are none."""
        columns = ",\n    ".join(f"`{name}` {type_}" for name, type_ in self.types.items())
        where = "" if self.shown is None else f"\nWHERE {self.shown}"
        names = ", ".join(f"`{name}`" for name in self.types)
        place = f"`{database}`.`{self.versions}`"
        return (
            f"CREATE TABLE IF NOT EXISTS {place} (\n    {columns}\n)\n{_ENGINE}\nORDER BY ({', '.join(self.key)})",
            f"CREATE VIEW IF NOT EXISTS `{database}`.`{self.name}` AS\nSELECT {names}\nFROM {place} FINAL{where}",
        )

    def rows(self, facts: Iterable[Any], stamp: Stamp) -> bytes:
        """One line of JSON each."""
        ways = [(c.name, c.of, v.WRITERS.get(c.type, v.as_it_is)) for c in self.columns]
        stamped = {"log": stamp.log, "journal_index": stamp.journal_index}
        return _ENCODE([_row(one, ways) | stamped for one in facts])


def _row(
    facts: Any, ways: Iterable[tuple[str, Callable[[Any], Any], Callable[[Any], Any]]]
) -> dict[str, Any]:
    row = {}
    for name, of, write in ways:
        try:
            row[name] = write(of(facts))
        except ArithmeticError:  # an average or a slippage that has too many digits to be shown
            row[name] = None
    return row


STAMPED: Final = (
    Column("log", v.WORD, "the origin of the journal (`audit.origin`)", v.as_it_is),
    Column("journal_index", v.COUNT, "the row is as this entry of the journal left it, or newer", v.as_it_is),
)
