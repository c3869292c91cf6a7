"""Rows of the tables as values of the domain, and back."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import fields

from ordergate.adapters.journals.schema import KEYS, ROW_TYPES, plain_type
from ordergate.domain.times import MICROSECOND, format_time

Code = Callable[[Any], Any]
_JSON: Final = msgspec.json.Encoder(decimal_format="string")


def _decimal(value: Decimal) -> str:
    return format(value, "f")


def _micros(value: timedelta) -> int:
    return value // MICROSECOND


def _json(value: Any) -> str:
    return _JSON.encode(value).decode()


def _encoder(kind: Any) -> Code | None:
    if not isinstance(kind, type) or issubclass(kind, tuple | Struct):
        return _json
    if issubclass(kind, Decimal):
        return _decimal
    if issubclass(kind, datetime):
        return format_time
    return _micros if issubclass(kind, timedelta) else None


def _decoder(kind: Any) -> Code | None:
    if not isinstance(kind, type) or issubclass(kind, tuple | Struct):
        return msgspec.json.decode
    if issubclass(kind, bool):
        return bool
    if issubclass(kind, timedelta):
        return lambda micros: timedelta(microseconds=micros)
    return None


class RowCodec:
    """Between a row type and its columns, which are its fields in order."""

    def __init__(self, row_type: type[Struct], key: Sequence[str]) -> None:
        kinds = [(field.name, plain_type(field.type)[0]) for field in fields(row_type)]
        self._type = row_type
        self.names: Final = tuple(name for name, _kind in kinds)
        self._key = tuple(self.names.index(name) for name in key)
        self._encoders = tuple((name, _encoder(kind)) for name, kind in kinds)
        self._decoders = tuple((name, _decoder(kind)) for name, kind in kinds)

    def encode(self, row: Struct) -> tuple[Any, ...]:
        """The columns' values."""
        return tuple(
            value if encode is None or value is None else encode(value)
            for value, encode in ((getattr(row, name), encode) for name, encode in self._encoders)
        )

    def key(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """The primary key among the columns' values, which stores sort by."""
        return tuple(values[at] for at in self._key)

    def encode_value(self, name: str, value: Any) -> Any:
        """One column's value."""
        encode = dict(self._encoders)[name]
        return value if encode is None or value is None else encode(value)

    def decode(self, values: Sequence[Any]) -> Any:
        """The row from its columns' values."""
        row: Mapping[str, Any] = {
            name: value if decode is None or value is None else decode(value)
            for (name, decode), value in zip(self._decoders, values, strict=True)
        }
        return msgspec.convert(row, self._type)


@cache
def codec(table: str) -> RowCodec:
    """Of a projection."""
    return RowCodec(ROW_TYPES[table], KEYS[table])
