"""What every table of the records is built on: names, columns that SQLite and PostgreSQL keep alike, the tables.

It opens no database: `ordergate.sdk.records.database` does.
"""

import datetime as dt
from typing import Any, ClassVar, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, declared_attr

PREFIX: Final = "ms_markets__"


def physical_name(identifier: str) -> str:
    """The table's name in the database: `OrderManager` is `ms_markets__ordermanager`, `OrdersTS` is
    `ms_markets__orders_ts`."""
    if identifier.endswith("TS"):
        return f"{PREFIX}{identifier.removesuffix('TS').lower()}_ts"
    return PREFIX + identifier.lower()


def utc(moment: dt.datetime, name: str = "a time") -> dt.datetime:
    """The same moment in UTC.

    Raises:
        ValueError: it has no time zone, so nobody knows which moment it is.
    """
    if moment.utcoffset() is None:
        raise ValueError(
            f"{name} {moment.isoformat()} has no time zone: give one, as in datetime.now(datetime.UTC)"
        )
    return moment.astimezone(dt.UTC)


class Timestamp(sa.types.TypeDecorator[dt.datetime]):
    """A moment with its time zone, in microseconds; read as UTC.

    TIMESTAMPTZ in PostgreSQL; in SQLite, which has no times, text in UTC that sorts as time does.
    """

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """The type of the column in that database."""
        return dialect.type_descriptor(sa.String(32) if dialect.name == "sqlite" else self.impl_instance)

    def process_bind_param(self, value: dt.datetime | None, dialect: sa.Dialect) -> Any:
        """What is written; raises ValueError for a time without a zone."""
        if value is None:
            return None
        moment = utc(value)
        # strftime writes years before 1000 with fewer digits on some systems, which would not sort.
        return moment.isoformat(timespec="microseconds") if dialect.name == "sqlite" else moment

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> dt.datetime | None:
        """What is read, in UTC."""
        if value is None:
            return None
        moment = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
        return utc(moment)


JSON_DOCUMENT: Final = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""JSONB in PostgreSQL; None is NULL in both, never the JSON text `null`."""


class Base(DeclarativeBase):
    """A table of the records; a subclass names its `identifier`, from which the database's name of it follows.

    Attributes:
        identifier: CamelCase, such as `OrderManager`; with the suffix `TS` for what is indexed by time.
    """

    identifier: ClassVar[str]

    @declared_attr.directive
    def __tablename__(cls) -> str:  # noqa: N805
        return physical_name(cls.identifier)
