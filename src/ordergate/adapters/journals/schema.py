"""The tables, the same for every store; `tables` has them as SQLAlchemy does.

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

from msgspec import Struct

from ordergate.domain.book import Book
from ordergate.domain.errors import StoreError

REVISIONS: Final = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
    "0013",
    "0014",
)
"""Versions of the schema, oldest first; the last is this program's."""

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
BEFORE: Final = {("orders", "operation"): "spot_trade"}
"""What rows have in a column that was not there when they were written, where that is not nothing."""
INDEXES: Final[Sequence[tuple[str, tuple[str, ...]]]] = (
    ("orders", ("state", "order_id")),
    ("orders", ("fund_id", "order_id")),
    ("orders", ("symbol", "order_id")),
    ("orders", ("strategy_id", "order_id")),
    ("orders", ("order_manager", "order_id")),
    ("orders", ("signal_id", "order_id")),
    ("orders", ("parent_order_id", "order_id")),
    ("orders", ("broker", "broker_order_id")),
    ("fills", ("fund_id", "order_id", "exec_id")),
    ("fills", ("symbol", "order_id", "exec_id")),
    ("refusals", ("signal_id", "number")),
)
"""Those of lists end with the primary key, by which lists are read page by page: no page needs a sort."""


def plain_type(hint: Any) -> tuple[Any, bool]:
    """A field's type without None, and whether None is allowed."""
    if get_origin(hint) in (Union, types.UnionType):
        rest = [arg for arg in get_args(hint) if arg is not type(None)]
        return (rest[0] if len(rest) == 1 else object), len(rest) < len(get_args(hint))
    return hint, False


_COLUMN_KINDS: Final = ((bool | int | timedelta, int), (str, str), (Decimal, Decimal), (datetime, datetime))


def column_kind(hint: Any) -> type:
    """What the column of a field of that type keeps: int, str, Decimal or datetime.

    Raises:
        TypeError: there is no column for it.
    """
    kind = plain_type(hint)[0]
    if not isinstance(kind, type) or issubclass(kind, tuple | Struct):
        return str
    for kinds, column in _COLUMN_KINDS:
        if issubclass(kind, kinds):
            return column
    raise TypeError(f"no column for {kind}")


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
