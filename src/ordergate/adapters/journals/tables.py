"""The tables as SQLAlchemy has them: for what sets databases up. `schema` has what everything else needs."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa
from msgspec.structs import fields

from ordergate.adapters.journals.schema import BEFORE, INDEXES, KEYS, ROW_TYPES, column_kind, plain_type

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

_COLUMN_TYPES: Final[dict[type, Any]] = {int: INTEGER, str: TEXT, Decimal: DECIMAL, datetime: TIME}


def _projection(name: str) -> sa.Table:
    columns: list[sa.Column[Any]] = []
    for field in fields(ROW_TYPES[name]):
        kind, nullable = _COLUMN_TYPES[column_kind(field.type)], plain_type(field.type)[1]
        key = field.name in KEYS[name]
        default = BEFORE.get((name, field.name))
        columns.append(
            sa.Column(
                field.name,
                kind,
                primary_key=key,
                nullable=nullable,
                autoincrement=False,
                server_default=default,
            )
        )
    return sa.Table(name, metadata, *columns)


PROJECTIONS: Final = {name: _projection(name) for name in ROW_TYPES}


def _index(table: str, names: tuple[str, ...]) -> sa.Index:
    """An index; rows that have NULL in one of its columns are not looked for by it, and are left out."""
    columns = [PROJECTIONS[table].c[name] for name in names]
    conditions = [column.is_not(None) for column in columns if column.nullable]
    where = sa.and_(*conditions) if conditions else None
    return sa.Index("_".join((table, *names)), *columns, sqlite_where=where, postgresql_where=where)


for _table, _columns in INDEXES:
    _index(_table, _columns)
