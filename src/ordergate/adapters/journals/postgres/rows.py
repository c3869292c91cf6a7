"""Rows of the tables as PostgreSQL keeps them: decimals and times as such, NUL in texts under another sign."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import fields

from ordergate.adapters.journals.rows import Code, RowCodec, decoder, json_text, micros
from ordergate.adapters.journals.schema import KEYS, ROW_TYPES, column_kind
from ordergate.domain.times import format_time

_SQL_TYPES: Final = {int: "bigint", str: "text", Decimal: "numeric", datetime: "timestamp with time zone"}
_NUL, _SIGN = "\x00", "\x01"


def text_in(value: str) -> str:
    """A text without NUL, which PostgreSQL takes in no text; sorts as the text itself does."""
    if _NUL not in value and _SIGN not in value:
        return str(value)
    return value.replace(_SIGN, _SIGN + "\x02").replace(_NUL, _SIGN + _SIGN)


def text_out(value: str) -> str:
    """The text again."""
    if _SIGN not in value:
        return value
    return value.replace(_SIGN + _SIGN, _NUL).replace(_SIGN + "\x02", _SIGN)


def _time_out(value: datetime) -> datetime:
    # The first and the last instant that Python knows are kept as -infinity and infinity, and come without zone.
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


def _encoder(kind: Any) -> Code | None:
    if not isinstance(kind, type) or issubclass(kind, tuple | Struct):
        return json_text
    if issubclass(kind, str):
        return text_in
    if issubclass(kind, bool):
        return int
    return micros if issubclass(kind, timedelta) else None


def _decoder(kind: Any) -> Code | None:
    return _time_out if kind is datetime else decoder(kind)


@cache
def codec(table: str) -> RowCodec:
    """Of a projection."""
    return RowCodec(ROW_TYPES[table], KEYS[table], _encoder, _decoder, (_SIGN, text_out))


@cache
def column_types(table: str) -> Sequence[str]:
    """The SQL types of a projection's columns, in their order, without collations."""
    return tuple(_SQL_TYPES[column_kind(field.type)] for field in fields(ROW_TYPES[table]))


def as_in_sqlite(value: Any) -> Any:
    """A stored value in the one form that dumps of all stores have."""
    if isinstance(value, str):
        return text_out(value)
    return format_time(_time_out(value)) if isinstance(value, datetime) else value
