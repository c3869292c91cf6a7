"""What is asked of a database in ClickHouse: its tables, which journals are in it, and rows."""

from collections.abc import Awaitable, Mapping
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from ordergate.adapters.clickhouse import Answer, ClickHouseError, Connection
from ordergate.adapters.outlets.clickhouse.columns import Stamp, Table
from ordergate.adapters.outlets.clickhouse.tables import TABLES

T = TypeVar("T")
MARKS: Final = "ordergate_marks"
_MARKED: Final[Mapping[str, str]] = {
    "log": "String",
    "journal": "String",
    "what": "LowCardinality(String)",
    "journal_index": "UInt64",
    "leaf_hash": "String",
}
MAKE_MARKS: Final = (
    "CREATE TABLE IF NOT EXISTS {place} (\n    "
    + ",\n    ".join(f"`{name}` {type_}" for name, type_ in _MARKED.items())
    + "\n)\nENGINE = ReplacingMergeTree(journal_index)\nORDER BY (log, journal, what)"
)
_DELETES: Final = {"lightweight_deletes_sync": 2, "mutations_sync": 2}
"""Until it is done everywhere."""


class Mark(Struct, frozen=True, kw_only=True):
    """How far a journal's rows are.

    Attributes:
        log, journal: which journal, by its origin and the beginning of its first entry's hash.
        what: `done`: all rows are as entry `journal_index` left them, or newer; `begun`: no row is newer than that.
        leaf_hash: of that entry, in hex: another journal has another there.
    """

    log: str
    journal: str
    what: str
    journal_index: int
    leaf_hash: str


class Store:
    """One database. Its tables are looked at before they are first used, and again after whatever went wrong."""

    def __init__(self, connection: Connection, database: str) -> None:
        self._connection, self._database = connection, database
        self._looked = False

    @property
    def shown(self) -> str:
        """For people."""
        return self._connection.shown

    def place(self, table: str) -> str:
        """The name of a table, as a statement has it."""
        return f"`{self._database}`.`{table}`"

    async def ask(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Answer:
        """The answer to a query. Raises ClickHouseError."""
        return await self._looking_again(self._connection.query(sql, parameters))

    async def prepare(self) -> None:
        """Makes what is not there of the tables, and looks at what is.

        Raises:
            ClickHouseError: one is there with other columns, which the text names; or the server does not answer.
        """
        if self._looked:
            return
        found = await self.found()
        wrong = differences(found)
        if wrong:
            raise ClickHouseError(
                f"{self.shown}: {wrong[0]}: rename it and a new one is made and filled, or name another database in "
                "clickhouse.database"
            )
        if MARKS not in found:
            await self._connection.command(MAKE_MARKS.format(place=self.place(MARKS)))
        for table in TABLES:
            for name, statement in zip((table.versions, table.name), table.made(self._database), strict=True):
                if name not in found:
                    await self._connection.command(statement)
        self._looked = True

    async def found(self) -> dict[str, "FoundTable"]:
        """What there is under the names of our tables. Raises ClickHouseError."""
        names = [MARKS, *(name for table in TABLES for name in (table.name, table.versions))]
        asked = {"database": self._database, "names": names}
        engines = await self.ask(
            "SELECT name, engine FROM system.tables WHERE database = {database:String} "
            "AND name IN {names:Array(String)}",
            asked,
        )
        columns = await self.ask(
            "SELECT table, name, type FROM system.columns WHERE database = {database:String} "
            "AND table IN {names:Array(String)}",
            asked,
        )
        return {
            name: FoundTable(engine, {c: t for of, c, t in columns.rows if of == name})
            for name, engine in engines.rows
        }

    async def marks(self) -> list[Mark]:
        """How far which journals are. Raises ClickHouseError."""
        names = ", ".join(_MARKED)
        found = await self.ask(f"SELECT {names} FROM {self.place(MARKS)} FINAL")
        return [Mark(**dict(zip(_MARKED, row, strict=True))) for row in found.rows]

    async def mark(self, *marks: Mark) -> None:
        """Notes them. Raises ClickHouseError."""
        await self._insert(MARKS, msgspec.json.Encoder().encode_lines(marks))

    async def write(self, table: Table, rows: bytes) -> None:
        """Adds versions of rows. Raises ClickHouseError: some of them may be there."""
        if rows:
            await self._insert(table.versions, rows)

    async def _insert(self, table: str, rows: bytes) -> None:
        await self._looking_again(self._connection.insert(self.place(table), rows))

    async def _looking_again(self, call: Awaitable[T]) -> T:
        """The result; where there is none, the tables are looked at before they are used again."""
        try:
            return await call
        except ClickHouseError:
            self._looked = False
            raise

    async def forget(self, log: str) -> None:
        """Deletes whatever is of a log, first that it is there. Raises ClickHouseError: some of it may be left."""
        for table in (MARKS, *(table.versions for table in TABLES)):
            await self._delete(table, "log = {log:String}", {"log": log})

    async def forget_before(self, stamp: Stamp) -> None:
        """Deletes the versions of a log that are older. Raises ClickHouseError: some of them may be left."""
        older = "log = {log:String} AND journal_index < {first:UInt64}"
        for table in TABLES:
            await self._delete(table.versions, older, {"log": stamp.log, "first": stamp.journal_index})

    async def _delete(self, table: str, where: str, values: Mapping[str, Any]) -> None:
        place = self.place(table)
        counted = await self.ask(f"SELECT count() FROM {place} WHERE {where}", values)
        if counted.rows[0][0]:
            gone = self._connection.command(f"DELETE FROM {place} WHERE {where}", _DELETES, values)
            await self._looking_again(gone)

    async def count(self, table: Table, log: str) -> int:
        """How many rows of a log a view shows. Raises ClickHouseError."""
        asked = f"SELECT count() FROM {self.place(table.name)} WHERE log = {{log:String}}"
        return int((await self.ask(asked, {"log": log})).rows[0][0])


class FoundTable(Struct, frozen=True):
    """What there is under a name."""

    engine: str
    columns: Mapping[str, str]


def differences(found: Mapping[str, FoundTable]) -> list[str]:
    """What is wrong with tables that are there, each naming table and column."""
    wrong = _differs(MARKS, found, "ReplacingMergeTree", _MARKED)
    for table in TABLES:
        wrong += _differs(table.versions, found, "ReplacingMergeTree", table.types)
        wrong += _differs(table.name, found, "View", table.types)
    return wrong


def _differs(name: str, found: Mapping[str, FoundTable], kind: str, wanted: Mapping[str, str]) -> list[str]:
    there = found.get(name)
    if there is None:
        return []
    wrong = []
    for column, type_ in wanted.items():
        has = there.columns.get(column)
        if has is None:
            wrong.append(f"{name} has no column {column}, which would be {type_}")
        elif has != type_:
            wrong.append(f"column {column} of {name} is {has}, not {type_}")
    if not there.engine.endswith(kind):  # Replicated..., Shared...
        of = "a view of ordergate's" if kind == "View" else f"a {kind}"
        wrong.append(f"{name} is there as {there.engine}, not as {of}")
    return wrong
