"""Whether tables that are there already have the shape that is relied on: nothing here changes one."""

from typing import Final

import sqlalchemy as sa

from ordergate.domain.errors import StoreError

_WAY_OUT: Final = "migrate it, or name another database and feed it anew"


def check_shape(connection: sa.Connection, metadata: sa.MetaData) -> None:
    """Compares the tables that there are with those that are declared; what they have beyond is left alone.

    Raises:
        StoreError: one lacks columns, or has some of another type.
    """
    inspector = sa.inspect(connection)
    there = set(inspector.get_table_names())
    for table in metadata.sorted_tables:
        if table.name in there:
            found = {
                column["name"]: _type(column["type"], connection.dialect)
                for column in inspector.get_columns(table.name)
            }
            _check(table, found, connection.dialect)


def _check(table: sa.Table, found: dict[str, str], dialect: sa.Dialect) -> None:
    missing = [name for name in table.columns.keys() if name not in found]  # noqa: SIM118
    if missing:
        raise StoreError(f"table {table.name} is of another shape: it lacks {', '.join(missing)}; {_WAY_OUT}")
    for name, column in table.columns.items():
        wanted = _type(column.type, dialect)
        if found[name] != wanted:
            raise StoreError(
                f"table {table.name} is of another shape: {name} is {found[name]}, not {wanted}; {_WAY_OUT}"
            )


def _type(kind: sa.types.TypeEngine[object], dialect: sa.Dialect) -> str:
    """Its name in that database, without its length."""
    name, _, rest = kind.compile(dialect=dialect).partition("(")
    return name + rest.partition(")")[2]
