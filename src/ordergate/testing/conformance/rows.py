"""Rows that a store must give back as they were: every type of projection, filled with what is easily lost."""

import types
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, Final, Union, get_args, get_origin

from msgspec import Struct
from msgspec.structs import FieldInfo, fields, replace

from ordergate.domain.book import Book

_BOOK: Final = Book()
TABLES: Final[dict[str, type[Struct]]] = {table.name: table.row_type for table in _BOOK.tables}
_KEYS: Final[dict[str, Callable[[Any], Any]]] = {table.name: table.key for table in _BOOK.tables}

_VALUES: Final[dict[type, Sequence[Any]]] = {
    Decimal: [
        Decimal(text)
        for text in (
            "999999999999999999.999999999999999999",
            "-0.000000000000000001",
            "1.500",
            "0",
            "0.00",
            "-123456789012345678.100000000000000000",
            "0.1",
            "100000",
            "-1200000000.00",
            "7" * 60 + "." + "3" * 60,
        )
    ],
    str: [
        "plain",
        "Zürich — ‚东京‘ 🦉",
        "'quoted' \"twice\" \\ back",
        "a|b;--",
        "1e5",
        "007",
        "nul\x00inside",
        "\n\t",
        "",
    ],
    datetime: [
        datetime(2026, 1, 5, 14, 30, 0, 1, tzinfo=UTC),
        datetime(2026, 1, 5, 14, 30, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
    date: [date(2026, 1, 5), date(1, 1, 1), date(9999, 12, 31)],
    timedelta: [
        timedelta(microseconds=1),
        timedelta(days=36_500, seconds=1),
        -timedelta(hours=1),
        timedelta(0),
    ],
    bool: [True, False],
    int: [0, 1, -1, 2**63 - 1, 2**31],
}


def rows_of(table: str) -> list[Struct]:
    """Rows with different keys; together they hold every value that there is for each of their fields."""
    return list(_rows_of(table))


@cache
def _rows_of(table: str) -> Sequence[Struct]:
    return tuple(_row(TABLES[table], number, key=True) for number in range(12))


def key_of(table: str, row: Struct) -> tuple[Any, ...]:
    """Its primary key."""
    key = _KEYS[table](row)
    return key if isinstance(key, tuple) else (key,)


@cache
def key_fields(table: str) -> tuple[str, ...]:
    """The fields that tell two rows apart."""
    first, second, *_ = rows_of(table)
    names = [field.name for field in _fields(TABLES[table])]
    before = key_of(table, first)
    return tuple(n for n in names if key_of(table, replace(first, **{n: getattr(second, n)})) != before)


def same_key(table: str, row: Struct, other: Struct) -> Struct:
    """`other` under the primary key of `row`."""
    return replace(other, **{name: getattr(row, name) for name in key_fields(table)})


def exact(rows: Sequence[Any]) -> list[str]:
    """Equal where all is equal, the digits of decimals and the kinds of numbers included."""
    return [repr(row) for row in rows]


def _row(row_type: type[Struct], number: int, *, key: bool = False) -> Any:
    """Field by field another turn through the values; the texts and numbers of a key also tell rows apart."""
    names = _names(row_type) if key else ()
    return row_type(
        **{
            field.name: _unique(field.type, number)
            if field.name in names
            else _value(field.type, number + turn)
            for turn, field in enumerate(_fields(row_type))
        }
    )


@cache
def _fields(row_type: type[Struct]) -> Sequence[FieldInfo]:
    return fields(row_type)


@cache
def _names(row_type: type[Struct]) -> tuple[str, ...]:
    return tuple(f.name for f in _fields(row_type) if f.name.endswith("_id") or f.name in _NAMES)


_NAMES: Final = ("symbol", "broker", "number", "position_key", "kind", "key", "name")


def _unique(kind: Any, number: int) -> Any:
    if kind is int:
        return number * 3
    return f"{number:02}{_VALUES[str][number % len(_VALUES[str])]}" if kind is str else _value(kind, number)


def _value(kind: Any, turn: int) -> Any:
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        inner = next(arg for arg in args if arg is not type(None))
        return None if turn % 4 == 0 else _value(inner, turn)
    if origin is tuple:
        if args[1:] == (...,):
            return tuple(_value(args[0], turn + extra) for extra in range(turn % 3))
        return tuple(_value(arg, turn) for arg in args)
    if origin is dict:
        return {_value(args[0], turn + extra): _value(args[1], turn + extra) for extra in range(turn % 3)}
    if issubclass(kind, Struct):
        return _row(kind, turn)
    if issubclass(kind, Enum):
        return list(kind)[turn % len(kind)]
    values = _VALUES[kind]
    return values[turn % len(values)]
