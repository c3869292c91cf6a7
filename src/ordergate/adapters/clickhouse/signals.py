"""The table `trading_signals`, which a risk service fills: what it has approved, and what is said there of it.

Whatever types its columns have, values are read as text, numbers as the server prints them, so that nothing is rounded
here. A signal with several rows counts where one is approved, none is rejected and each is pending in its execution; of
a table that keeps the last of several rows, that one is read.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import Struct

from ordergate.adapters.clickhouse.connection import Connection
from ordergate.adapters.clickhouse.signals_schema import PRICES, TABLE, Schema, check_schema, literal
from ordergate.adapters.clickhouse.target import ClickHouseError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = timedelta(days=1)
_MICROSECOND: Final = timedelta(microseconds=1)
_ID: Final = "ifNull(toString(signal_id), '')"
_AT: Final = "toUnixTimestamp64Micro(toDateTime64(created_at, 6, 'UTC'))"
_APPROVED: Final = "toString(risk_approval_status) = 'approved'"
_STATUS: Final = "toString(execution_status)"
_COLUMNS: Final = (
    "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {table:String}"
)
_ENGINE: Final = (
    "SELECT engine FROM system.tables WHERE database = currentDatabase() AND name = {table:String}"
)
Mark = tuple[str, str, str | None]
"""A signal's id, what becomes its `execution_status`, and its `order_id`, or None."""


class SignalRow(Struct, frozen=True, kw_only=True):
    """An approved signal.

    Attributes:
        at: when it was put there.
        fields: by the names that signals have for them, as text; without those that say nothing.
    """

    signal_id: str
    at: datetime
    fields: Mapping[str, str]


class SignalTable:
    """It, over a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._schema: Schema | None = None

    async def check(self) -> str | None:
        """Looks at the table; returns why nothing can be written back, None where that can be.

        Raises:
            ClickHouseError: there is no such table, a column is missing or of a type that cannot be what it should
                be; or the server cannot be asked.
        """
        self._schema = None
        found = await self._connection.query(_COLUMNS, {"table": TABLE})
        engine = await self._connection.query(_ENGINE, {"table": TABLE})
        kind = str(engine.rows[0][0]) if engine.rows else ""
        self._schema = check_schema(
            {str(name): str(type_) for name, type_ in found.rows}, kind, self._connection.shown
        )
        return self._schema.unwritable

    async def approved(
        self, since: datetime, after: tuple[datetime, str] | None, limit: int
    ) -> list[SignalRow]:
        """Signals that are approved and pending, put there from `since` on, oldest first, behind one of them.

        Raises:
            ClickHouseError: the table cannot be read now.
        """
        schema = self._checked()
        fields = list(schema.fields.items())
        bound, around, source = _bound(since), _bound(since - _DAY), schema.source
        behind = "" if after is None else f" AND ({_AT}, {_ID}) > ({_micros(after[0])}, {literal(after[1])})"
        sql = (
            f"SELECT {_ID}, {_AT}, {', '.join(expression for _name, expression in fields)} FROM {source} "
            f"WHERE {bound} AND {_APPROVED} AND {_STATUS} = 'pending' AND {_ID} NOT IN (SELECT {_ID} FROM {source} "
            f"WHERE {around} AND (toString(risk_approval_status) = 'rejected' OR {_STATUS} != 'pending'))"
            f"{behind} ORDER BY {_AT}, {_ID} LIMIT {limit}"
        )
        answer = await self._connection.query(sql)
        names = [name for name, _expression in fields]
        return [
            SignalRow(signal_id=row[0], at=_time(row[1]), fields=_given(names, row[2:], schema))
            for row in answer.rows
        ]

    async def submitted(self, since: datetime, limit: int) -> list[str]:
        """The ids of signals, put there from `since` on, that are told as submitted; newest first.

        Raises:
            ClickHouseError: the table cannot be read now.
        """
        sql = (
            f"SELECT DISTINCT {_ID} FROM {self._checked().source} WHERE {_bound(since)} AND {_STATUS} = 'submitted' "
            f"ORDER BY created_at DESC LIMIT {limit}"
        )
        return [str(row[0]) for row in (await self._connection.query(sql)).rows]

    async def left_behind(self, since: datetime, until: datetime) -> int:
        """How many rows put there from `since` to before `until` are approved, and still pending.

        Raises:
            ClickHouseError: the table cannot be read now.
        """
        sql = (
            f"SELECT count() FROM {self._checked().source} WHERE {_bound(since)} AND NOT ({_bound(until)}) "
            f"AND {_APPROVED} AND {_STATUS} = 'pending'"
        )
        return int((await self._connection.query(sql)).rows[0][0])

    async def mark(self, marks: Sequence[Mark], since: datetime) -> None:
        """Says what became of signals, in one change of the table; of those still pending or submitted.

        Raises:
            ClickHouseError: the table does not take it, or not now.
        """
        schema = self._checked()
        if schema.unwritable is not None:
            raise ClickHouseError(schema.unwritable)
        ids = _list([signal_id for signal_id, _status, _order in marks])
        said = _list([status for _id, status, _order in marks])
        changes = [_change("execution_status", _STATUS, ids, said, schema)]
        if schema.tells_order:
            orders = _list([order or "" for _id, _status, order in marks])
            changes.append(_change("order_id", "ifNull(toString(order_id), '')", ids, orders, schema))
        await self._connection.command(
            f"ALTER TABLE {TABLE} UPDATE {', '.join(changes)} WHERE {_ID} IN {ids} AND {_bound(since)} AND "
            f"{_APPROVED} AND {_STATUS} IN ('pending', 'submitted')"
        )

    def _checked(self) -> Schema:
        if self._schema is None:
            raise ClickHouseError(f"{self._connection.shown}: table {TABLE} was not looked at yet")
        return self._schema


def _change(column: str, now: str, ids: str, values: str, schema: Schema) -> str:
    chosen = f"transform({_ID}, {ids}, {values}, {now})"
    return f"{column} = CAST({chosen}, {literal(schema.types[column])})"


def _list(values: Sequence[str]) -> str:
    return f"[{', '.join(map(literal, values))}]"


def _given(names: Sequence[str], values: Sequence[object], schema: Schema) -> dict[str, str]:
    """What the columns say. Where a price cannot be NULL, 0 says that there is none."""
    found: dict[str, str] = {}
    for name, value in zip(names, values, strict=True):
        if value is None or (name in PRICES and name not in schema.nullable and value == "0"):
            continue
        found[name] = _time(value).isoformat() if isinstance(value, int) else str(value)
    return found


def _bound(at: datetime) -> str:
    return f"created_at >= fromUnixTimestamp64Micro({_micros(at)}, 'UTC')"


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _time(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
