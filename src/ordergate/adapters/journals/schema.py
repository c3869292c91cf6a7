"""The tables, the same for every store.

A projection's columns are the fields of its row type in `ordergate.domain`, so that there is one list of them.
Decimals are TEXT in SQLite, whose NUMERIC keeps 15 digits; times are TEXT that sorts as time does; tuples and
structs are JSON.
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

REVISIONS: Final = ("0001",)
"""Versions of the schema, oldest first; the last is this program's."""

metadata: Final = sa.MetaData()

journal: Final = sa.Table(
    "journal",
    metadata,
    sa.Column("idx", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("order_id", sa.Text),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    sa.Column("entry", sa.LargeBinary, nullable=False),
)
sa.Index("journal_order", journal.c.order_id, sqlite_where=journal.c.order_id.is_not(None))

nodes: Final = sa.Table(
    "nodes",
    metadata,
    sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
)

head: Final = sa.Table(
    "head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("checkpoint", sa.Text, nullable=False),
)

payloads: Final = sa.Table(
    "payloads",
    metadata,
    sa.Column("sha256", sa.Text, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

cursors: Final = sa.Table(
    "cursors",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("next", sa.Integer, nullable=False),
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
}
ROW_TYPES: Final[dict[str, type[Struct]]] = {t.name: t.row_type for t in Book().tables}
_INDEXES: Final[Sequence[tuple[str, tuple[str, ...]]]] = (
    ("orders", ("state",)),
    ("orders", ("fund_id", "symbol")),
    ("orders", ("broker", "broker_order_id")),
    ("fills", ("fund_id", "symbol")),
)


def plain_type(hint: Any) -> tuple[Any, bool]:
    """A field's type without None, and whether None is allowed."""
    if get_origin(hint) in (Union, types.UnionType):
        rest = [arg for arg in get_args(hint) if arg is not type(None)]
        return (rest[0] if len(rest) == 1 else object), len(rest) < len(get_args(hint))
    return hint, False


def _column_type(kind: Any) -> Any:
    if not isinstance(kind, type) or issubclass(kind, tuple | Struct):
        return sa.Text
    if issubclass(kind, bool | int | timedelta):
        return sa.Integer
    if issubclass(kind, str | Decimal | datetime):
        return sa.Text
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
for _table, _columns in _INDEXES:
    sa.Index("_".join((_table, *_columns)), *(PROJECTIONS[_table].c[column] for column in _columns))
