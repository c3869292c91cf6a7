"""What a class has said, kept: it tells totals, and nobody else remembers of which fills they came.

An execution is written here before it is told, and told again after a restart under the same id, if the
journal has not come that far. So a total that has grown while we were away is told as what came on top.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from ordergate.adapters.notebook import NotebookFile
from ordergate.domain.errors import StoreError
from ordergate.domain.money import ZERO, text
from ordergate.domain.orders.reports import Executed

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS orders (
    name TEXT PRIMARY KEY, client_id TEXT NOT NULL, broker_order_id TEXT NOT NULL, quantity TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS executions (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, client_id TEXT NOT NULL,
    broker_order_id TEXT NOT NULL, exec_id TEXT NOT NULL, time TEXT NOT NULL, quantity TEXT NOT NULL,
    price TEXT NOT NULL, completes INTEGER NOT NULL, raw TEXT, UNIQUE (name, exec_id)
);
"""
_PUT_EXECUTION: Final = """
INSERT INTO executions (name, client_id, broker_order_id, exec_id, time, quantity, price, completes, raw)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


class Known(Struct):
    """An order that the class has.

    Attributes:
        name: ordergate's, without the request's number.
        quantity: None where it was placed before there was this notebook.
        complained: a total that came without a price, told once.
    """

    name: str
    client_id: str
    broker_order_id: str
    quantity: Decimal | None = None
    executions: list[Executed] = field(default_factory=list)
    complained: Decimal | None = None

    @property
    def filled(self) -> Decimal:
        """How much has been told."""
        return sum((execution.quantity for execution in self.executions), ZERO)

    @property
    def value(self) -> Decimal:
        """Quantity times price of what has been told."""
        return sum((execution.quantity * execution.price for execution in self.executions), ZERO)


class Notebook(NotebookFile):
    """A file of one broker; in memory without a path."""

    schema = _SCHEMA

    def placed(self, known: Known) -> None:
        """Keeps an order. Raises StoreError where it cannot be written."""
        quantity = text(known.quantity) if known.quantity is not None else ""
        row = (known.name, known.client_id, known.broker_order_id, quantity)
        self._run("INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?)", *row)

    def executed(self, name: str, execution: Executed) -> Executed:
        """Keeps an execution of an order, and gives it its place as a cursor. Raises StoreError."""
        row = (
            name,
            execution.client_id,
            execution.broker_order_id,
            execution.exec_id,
            execution.time.isoformat(),
            text(execution.quantity),
            text(execution.price),
            int(execution.completes),
            execution.raw,
        )
        return replace(execution, cursor=str(self._run(_PUT_EXECUTION, *row).lastrowid))

    def find(self, name: str) -> Known | None:
        """An order by ordergate's name."""
        for row in self._run("SELECT * FROM orders WHERE name = ?", name):
            known = Known(row[0], row[1], row[2], Decimal(row[3]) if row[3] else None)
            known.executions = self.executions(name)
            return known
        return None

    def executions(self, name: str) -> list[Executed]:
        """What was told of an order, by ordergate's name: a broker may begin to count its own anew."""
        found = self._run("SELECT * FROM executions WHERE name = ? ORDER BY sequence", name)
        return [self._execution(row) for row in found]

    def after(self, cursor: str | None) -> Iterator[Executed]:
        """What was told behind a cursor.

        Raises:
            StoreError: that place was never reached: this is not the notebook that the journal was written with.
        """
        place = int(cursor) if cursor is not None and cursor.isdecimal() else 0
        (last,) = self._run("SELECT coalesce(max(sequence), 0) FROM executions").fetchone()
        if place > last:
            raise StoreError(
                f"the notebook of broker {self._broker} ({self._path}) has {last} executions, the journal has "
                f"seen {place}: put the notebook back that belongs to it"
            )
        for row in self._run("SELECT * FROM executions WHERE sequence > ? ORDER BY sequence", place):
            yield self._execution(row)

    def _execution(self, row: tuple[Any, ...]) -> Executed:
        sequence, _name, client_id, broker_order_id, exec_id, time, quantity, price, completes, raw = row
        return Executed(
            broker=self._broker,
            client_id=client_id,
            broker_order_id=broker_order_id,
            cursor=str(sequence),
            raw=raw,
            exec_id=exec_id,
            time=datetime.fromisoformat(time),
            quantity=Decimal(quantity),
            price=Decimal(price),
            completes=bool(completes),
        )
