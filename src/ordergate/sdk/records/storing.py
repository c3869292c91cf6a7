"""Writing many rows of a time-indexed table, and reading them: rows of the same index replace those that are there."""

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ordergate.sdk.records.execution import TimeIndexed
from ordergate.sdk.records.statements import table_of
from ordergate.sdk.records.values import Kind, kind_of

Row = Mapping[str, Any]
_AT_ONCE: Final = 1_000
_ASKED_AT_ONCE: Final = 500
_NAMED: Final = 5


def kinds_of(storage: type[TimeIndexed]) -> Mapping[str, Kind]:
    """What each column holds, in the order of the columns."""
    return {name: kind_of(name, column.type) for name, column in storage.__table__.columns.items()}


def upsert(session: Session, storage: type[TimeIndexed], rows: Sequence[Row]) -> None:
    """Writes rows whole; no two of them may have the same index. The transaction is the caller's.

    Raises:
        ValueError: a row names what is not registered.
    """
    table = storage.__table__
    rows = _without_empty_references(table, rows)
    _check_references(session, table, rows)
    put = _put_at_once if session.get_bind().dialect.name == "postgresql" else _put_each
    try:
        for piece in _pieces(rows, _AT_ONCE):
            put(session, storage, piece)
    except IntegrityError as error:  # what was registered a moment ago
        raise ValueError(f"{storage.identifier} cannot hold these rows: {error.orig}") from None


def _put_each(session: Session, storage: type[TimeIndexed], rows: Sequence[Row]) -> None:
    session.connection().execute(_replacing(sqlite.insert(table_of(storage)), storage), rows)


def _put_at_once(session: Session, storage: type[TimeIndexed], rows: Sequence[Row]) -> None:
    """As one value: its driver goes there and back for each row, and reads the statement anew for each."""
    columns = storage.__table__.columns
    kept = [sa.column(name, column.type) for name, column in columns.items()]
    given = sa.bindparam("rows", [{name: _in_json(row[name]) for name in row} for row in rows], type_=sa.JSON)
    read = sa.func.json_to_recordset(given).table_valued(*kept).render_derived(with_types=True)
    insert = postgresql.insert(table_of(storage)).from_select(columns.keys(), sa.select(*read.c))
    session.connection().execute(_replacing(insert, storage))


def _in_json(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return str(value) if isinstance(value, float) and math.isinf(value) else value


def _replacing(insert: Any, storage: type[TimeIndexed]) -> Any:
    changed = [name for name in storage.__table__.columns.keys() if name not in storage.index_names]  # noqa: SIM118
    if not changed:
        return insert.on_conflict_do_nothing(index_elements=list(storage.index_names))
    return insert.on_conflict_do_update(
        index_elements=list(storage.index_names), set_={name: insert.excluded[name] for name in changed}
    )


def _references(table: sa.FromClause) -> Iterator[tuple[str, sa.Column[Any]]]:
    """Columns that refer to a registered row, each with the column that it must stand in."""
    for column in table.columns:
        for key in column.foreign_keys:
            yield column.name, key.column


def _without_empty_references(table: sa.FromClause, rows: Sequence[Row]) -> Sequence[Row]:
    """A frame writes a text that is not there as the empty one; a reference that is not there is NULL."""
    optional = [name for name, _ in _references(table) if table.columns[name].nullable]
    return [{**row, **{name: row[name] or None for name in optional}} for row in rows] if optional else rows


def _check_references(session: Session, table: sa.FromClause, rows: Sequence[Row]) -> None:
    for name, target in _references(table):
        named = sorted({row[name] for row in rows if row[name] is not None})
        known = _registered(session, target, named)
        unknown = [one for one in named if one not in known]
        if unknown:
            more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
            raise ValueError(
                f"{name} names what is not registered in {target.table.name}: "
                f"{', '.join(map(repr, unknown[:_NAMED]))}{more}; nothing was written"
            )


def _registered(session: Session, target: sa.Column[Any], named: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for piece in _pieces(named, _ASKED_AT_ONCE):
        found.update(session.scalars(sa.select(target).where(target.in_(piece))))
    return found


def _pieces(things: Sequence[Any], size: int) -> Iterator[list[Any]]:
    for first in range(0, len(things), size):
        yield list(things[first : first + size])


def select(
    session: Session,
    storage: type[TimeIndexed],
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    where: Mapping[str, Any] | None = None,
) -> Iterable[Any]:
    """Rows in the order of the index.

    Args:
        since, until: of the index's time, the first inclusive, the second not.
        where: values that columns must have.

    Raises:
        ValueError: `where` names a column that the table has not.
    """
    columns = storage.__table__.columns
    unknown = [name for name in where or {} if name not in columns]
    if unknown:
        raise ValueError(
            f"{storage.identifier} has no column {unknown[0]!r}: it has {', '.join(columns.keys())}"
        )
    time = columns[storage.index_names[0]]
    wanted = [columns[name] == value for name, value in (where or {}).items()]
    wanted += [] if since is None else [time >= since]
    wanted += [] if until is None else [time < until]
    found = sa.select(*columns).where(*wanted).order_by(*(columns[name] for name in storage.index_names))
    return session.execute(found)
