"""Statements on the records' tables, the same for SQLite and PostgreSQL. They are made here, and run elsewhere."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningDelete, ReturningInsert, ReturningUpdate

from ordergate.sdk.records.base import Base

Values = Mapping[str, Any]
Insert = sqlite.Insert | postgresql.Insert
_INSERTS: Final = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def table_of(model: type[Base]) -> sa.Table:
    """The table behind a model."""
    return sa.inspect(model).local_table  # type: ignore[return-value]


def insert(model: type[Base], values: Values) -> ReturningInsert[Any]:
    """One row; returns all its columns."""
    table = table_of(model)
    return sa.insert(table).values(values).returning(*table.c)


def conflict_insert(model: type[Base], dialect: str) -> Insert:
    """An insert that may say what happens on a conflict; `dialect` as `Engine.dialect.name`."""
    return _INSERTS[dialect](table_of(model))  # type: ignore[return-value]


def upsert(model: type[Base], values: Values, keys: Sequence[str], dialect: str) -> ReturningInsert[Any]:
    """One row, or what was supplied of it written over the row that has the same `keys`; returns all its columns.

    Primary key and `keys` are never written over.
    """
    table = table_of(model)
    statement = conflict_insert(model, dialect).values(values)
    fixed = {*keys, *(column.name for column in table.primary_key)}
    # A row is returned only where something is set: the key is set to itself where there is nothing else.
    names = [name for name in values if name not in fixed] or list(keys)
    return statement.on_conflict_do_update(
        index_elements=list(keys), set_={name: statement.excluded[name] for name in names}
    ).returning(*table.c)


def insert_unknown(model: type[Base], rows: Iterable[Values], dialect: str) -> Insert | None:
    """Those of the rows that are not there yet; None for none."""
    listed = list(rows)
    return conflict_insert(model, dialect).values(listed).on_conflict_do_nothing() if listed else None


def select_rows(
    model: type[Base], conditions: Iterable[sa.ColumnElement[bool]], limit: int | None
) -> sa.Select[Any]:
    """Rows that fulfil all the conditions, by their identifier."""
    table = table_of(model)
    found = sa.select(*table.c).where(*conditions).order_by(table.c.unique_identifier)
    return found if limit is None else found.limit(limit)


def update(model: type[Base], uid: uuid.UUID, values: Values) -> ReturningUpdate[Any]:
    """Columns of the row of that uid; returns all of them. At least one value."""
    table = table_of(model)
    return sa.update(table).where(table.c.uid == uid).values(values).returning(*table.c)


def delete(model: type[Base], uid: uuid.UUID) -> ReturningDelete[Any]:
    """The row of that uid; returns its uid."""
    table = table_of(model)
    return sa.delete(table).where(table.c.uid == uid).returning(table.c.uid)
