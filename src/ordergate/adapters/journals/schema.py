"""The tables, the same for every store.

A projection's columns are the fields of its row type in `ordergate.domain`, so that there is one list of them.
In SQLite decimals are TEXT, for its NUMERIC keeps 15 digits, and times TEXT that sorts as time does; in
PostgreSQL they are NUMERIC and TIMESTAMPTZ, and texts sort as their bytes do whatever the database's language is.
Tuples and structs are JSON.
"""

import types
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Union, get_args, get_origin

import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import fields

from ordergate.domain.book import Book
from ordergate.domain.errors import StoreError

REVISIONS: Final = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010")
"""Versions of the schema, oldest first; the last is this program's."""

TEXT: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INTEGER: Final = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
DECIMAL: Final = sa.Text().with_variant(sa.Numeric(), "postgresql")
TIME: Final = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")

metadata: Final = sa.MetaData()
shared: Final = sa.MetaData()
"""Tables of databases that several nodes share: of PostgreSQL alone."""

journal: Final = sa.Table(
    "journal",
    metadata,
    sa.Column("idx", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("kind", TEXT, nullable=False),
    sa.Column("order_id", TEXT),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    sa.Column("entry", sa.LargeBinary, nullable=False),
)
sa.Index(
    "journal_order",
    journal.c.order_id,
    sqlite_where=journal.c.order_id.is_not(None),
    postgresql_where=journal.c.order_id.is_not(None),
)

nodes: Final = sa.Table(
    "nodes",
    metadata,
    sa.Column("level", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("number", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
)

head: Final = sa.Table(
    "head",
    metadata,
    sa.Column("id", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("size", INTEGER, nullable=False),
    sa.Column("checkpoint", TEXT, nullable=False),
)

payloads: Final = sa.Table(
    "payloads",
    metadata,
    sa.Column("sha256", TEXT, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

cursors: Final = sa.Table(
    "cursors",
    metadata,
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("next", INTEGER, nullable=False),
)

leases: Final = sa.Table(
    "leases",
    shared,
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("epoch", INTEGER, nullable=False),
    sa.Column("node", TEXT),
    sa.Column("detail", TEXT, nullable=False),
    sa.Column("renewed_at", TIME, nullable=False),
)

KEYS: Final[dict[str, tuple[str, ...]]] = {
    "funds": ("fund_id",),
    "instruments": ("symbol",),
    "sessions": ("broker",),
    "orders": ("order_id",),
    "fills": ("order_id", "exec_id"),
    "positions": ("fund_id", "symbol"),
    "lots": ("fund_id", "symbol", "number"),
    "balances": ("fund_id", "position_key"),
    "keys": ("fund_id", "kind", "key"),
    "breaks": ("break_id",),
    "refusals": ("number",),
    "moves": ("fund_id",),
    "limits": ("level", "name"),
    "halts": ("level", "name"),
    "strategies": ("strategy_id",),
    "accounts": ("fund_id",),
    "volumes": ("fund_id", "symbol"),
    "overrides": ("order_id",),
    "strategy_positions": ("fund_id", "symbol", "strategy_id"),
    "account_holdings": ("broker", "kind", "name"),
}
ROW_TYPES: Final[dict[str, type[Struct]]] = {t.name: t.row_type for t in Book().tables}
_INDEXES: Final[Sequence[tuple[str, tuple[str, ...]]]] = (
    ("orders", ("state", "order_id")),
    ("orders", ("fund_id", "order_id")),
    ("orders", ("symbol", "order_id")),
    ("orders", ("strategy_id", "order_id")),
    ("orders", ("order_manager", "order_id")),
    ("orders", ("broker", "broker_order_id")),
    ("fills", ("fund_id", "order_id", "exec_id")),
    ("fills", ("symbol", "order_id", "exec_id")),
)
"""Those of lists end with the primary key, by which lists are read page by page: no page needs a sort."""


def plain_type(hint: Any) -> tuple[Any, bool]:
    """A field's type without None, and whether None is allowed."""
    if get_origin(hint) in (Union, types.UnionType):
        rest = [arg for arg in get_args(hint) if arg is not type(None)]
        return (rest[0] if len(rest) == 1 else object), len(rest) < len(get_args(hint))
    return hint, False


_COLUMN_TYPES: Final = ((bool | int | timedelta, INTEGER), (str, TEXT), (Decimal, DECIMAL), (datetime, TIME))


def _column_type(kind: Any) -> Any:
    if not isinstance(kind, type) or issubclass(kind, tuple | Struct):
        return TEXT
    for types_, column_type in _COLUMN_TYPES:
        if issubclass(kind, types_):
            return column_type
    raise TypeError(f"no column for {kind}")


def _projection(name: str) -> sa.Table:
    columns = []
    for field in fields(ROW_TYPES[name]):
        kind, nullable = plain_type(field.type)
        key = field.name in KEYS[name]
        columns.append(
            sa.Column(field.name, _column_type(kind), primary_key=key, nullable=nullable, autoincrement=False)
        )
    return sa.Table(name, metadata, *columns)


PROJECTIONS: Final = {name: _projection(name) for name in ROW_TYPES}


def _index(table: str, names: tuple[str, ...]) -> sa.Index:
    """An index; rows that have NULL in one of its columns are not looked for by it, and are left out."""
    columns = [PROJECTIONS[table].c[name] for name in names]
    conditions = [column.is_not(None) for column in columns if column.nullable]
    where = sa.and_(*conditions) if conditions else None
    return sa.Index("_".join((table, *names)), *columns, sqlite_where=where, postgresql_where=where)


for _table, _columns in _INDEXES:
    _index(_table, _columns)


def check_version(version: str | None, shown: object) -> None:
    """Raises StoreError unless the database is of this program's version."""
    if version == REVISIONS[-1]:
        return
    if version in REVISIONS:
        raise StoreError(
            f"{shown} is of schema {version}, this program needs {REVISIONS[-1]}: ordergate migrate up"
        )
    if version is None:
        raise StoreError(f"{shown} has no schema: its set-up was cut off; run: ordergate migrate up")
    raise StoreError(
        f"{shown} is of schema {version}, newer than this program's {REVISIONS[-1]}: update ordergate"
    )


def check_known(version: str | None, shown: object) -> str | None:
    """The version, where this program can bring it up; else raises StoreError."""
    if version is not None and version not in REVISIONS:
        check_version(version, shown)
    return version


def pending(version: str | None) -> Sequence[str]:
    """The migrations that a database of that version still needs."""
    return REVISIONS if version is None else REVISIONS[REVISIONS.index(version) + 1 :]
