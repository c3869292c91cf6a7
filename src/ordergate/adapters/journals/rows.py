"""Rows of the tables as values of the domain, and back: as SQLite keeps them."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cache
from itertools import compress, count
from operator import attrgetter, is_not
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


def micros(value: timedelta) -> int:
    """A duration as a whole number."""
    return value // MICROSECOND


def json_text(value: Any) -> str:
    """A tuple or struct as text."""
    return _JSON.encode(value).decode() if value else "[]"


def encoder(kind: Any) -> Code | None:
    """How values of a type are stored; None as they are."""
    if not isinstance(kind, type) or issubclass(kind, tuple | Struct):
        return json_text
    if issubclass(kind, Decimal):
        return _decimal
    if issubclass(kind, datetime):
        return format_time
    if issubclass(kind, StrEnum):
        return str  # SQLite looks for an adapter of every type that is not exactly str
    return micros if issubclass(kind, timedelta) else None


def decoder(kind: Any) -> Code | None:
    """How stored values become what their row is made from; None as they are."""
    if not isinstance(kind, type) or issubclass(kind, tuple | Struct):
        return msgspec.json.decode
    if issubclass(kind, bool):
        return bool
    if issubclass(kind, timedelta):
        return lambda micros: timedelta(microseconds=micros)
    return None


class RowCodec:
    """Between a row type and its columns, which are its fields in order.

    Args:
        encoder: for each type of a field, as the store wants its values.
        decoder: and back.
        mark: a sign that is in texts which are not stored as they are, and what reads those.
    """

    def __init__(
        self,
        row_type: type[Struct],
        key: Sequence[str],
        encoder: Callable[[Any], Code | None] = encoder,
        decoder: Callable[[Any], Code | None] = decoder,
        mark: tuple[str, Code] | None = None,
    ) -> None:
        kinds = [(field.name, plain_type(field.type)[0]) for field in fields(row_type)]
        self._type = row_type
        self.names: Final = tuple(name for name, _kind in kinds)
        self.key_places: Final = tuple(self.names.index(name) for name in key)
        self._read = attrgetter(*self.names)
        self._encoders = tuple(encoder(kind) for _name, kind in kinds)
        self._encoded = tuple((at, code) for at, code in enumerate(self._encoders) if code is not None)
        found = ((name, decoder(kind)) for name, kind in kinds)
        self._decoded = tuple((name, code) for name, code in found if code is not None)
        self._mark, self._texts = mark, [at for at, (_name, kind) in enumerate(kinds) if kind is str]

    def column(self, name: str) -> str:
        """The column of a field, as SQL writes it; raises KeyError where there is none."""
        if name not in self.names:
            raise KeyError(name)
        return f'"{name}"'

    def encode(self, row: Struct) -> list[Any]:
        """The columns' values."""
        values = list(self._read(row))
        for at, code in self._encoded:
            value = values[at]
            if value is not None:
                values[at] = code(value)
        return values

    def columns(self, rows: Sequence[Struct], places: Sequence[int]) -> list[list[Any]]:
        """The values of several rows, column by column."""
        read = [self._read(row) for row in rows]
        found: list[list[Any]] = []
        for at in places:
            code = self._encoders[at]
            values = [row[at] for row in read]
            found.append(
                values if code is None else [None if value is None else code(value) for value in values]
            )
        return found

    def changed(self, before: Struct, after: Struct) -> tuple[int, ...]:
        """The places of the columns that differ."""
        return tuple(compress(count(), map(is_not, self._read(before), self._read(after))))

    def encode_some(self, row: Struct, places: Sequence[int]) -> list[Any]:
        """The values of those columns, and behind them the primary key."""
        read = self._read(row)
        return [self._encode(at, read[at]) for at in (*places, *self.key_places)]

    def _encode(self, at: int, value: Any) -> Any:
        code = self._encoders[at]
        return value if code is None or value is None else code(value)

    def key(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """The primary key among the columns' values, which stores sort by."""
        return tuple(values[at] for at in self.key_places)

    def encode_value(self, name: str, value: Any) -> Any:
        """One column's value."""
        return self._encode(self.names.index(name), value)

    def decode(self, rows: Sequence[Sequence[Any]]) -> list[Any]:
        """Rows from their columns' values."""
        found: list[Any] = []
        for values in self._unmarked(rows):
            row: dict[str, Any] = dict(zip(self.names, values, strict=True))
            for name, code in self._decoded:
                value = row[name]
                if value is not None:
                    row[name] = code(value)
            found.append(msgspec.convert(row, self._type))
        return found

    def _unmarked(self, rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
        """The rows with their texts read: hardly ever is one marked, and that is seen at once."""
        if self._mark is None or not rows:
            return rows
        (sign, code), columns = self._mark, list(zip(*rows, strict=True))
        for at in self._texts:
            if sign in "".join(filter(None, columns[at])):
                columns[at] = tuple([value and code(value) for value in columns[at]])
        return list(zip(*columns, strict=True))


@cache
def codec(table: str) -> RowCodec:
    """Of a projection."""
    return RowCodec(ROW_TYPES[table], KEYS[table])
