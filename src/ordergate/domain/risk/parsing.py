"""Limits and scopes as callers write them: numbers as text or JSON numbers, null takes a limit away."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from functools import partial
from typing import Any, Final

from msgspec.structs import fields

from ordergate.domain.errors import Code, Invalid, quoted
from ordergate.domain.identifiers import parse_key, parse_name
from ordergate.domain.instruments import AssetClass
from ordergate.domain.money import parse_decimal
from ordergate.domain.operations import Operation
from ordergate.domain.orders.commands import check_fields, parse_choice, parse_reason
from ordergate.domain.orders.states import OrderType
from ordergate.domain.risk.limits import ALL, LEVELS, Level, Limits, Scope

Parse = Callable[[object, str], Any]
_LARGEST_INT: Final = 10**9
_MOST_NAMES: Final = 10_000


def parse_limits(level: Level, values: object, pointer: str = "#/limits") -> dict[str, Any]:
    """The limits that are named, each with its value; None where it is taken away.

    Raises:
        Invalid: the level does not know one, or a value is none for it.
    """
    if not isinstance(values, Mapping):
        detail = f'expected a JSON object such as {{"max_order_qty": "100"}}, got {type(values).__name__}'
        raise Invalid(Code.WRONG_TYPE, detail, pointer)
    known = tuple(name for name in ALL if name in LEVELS[level])
    for name in values:
        if name not in known:
            detail = f"a {level} has no such limit; there are {', '.join(known)}"
            raise Invalid(Code.UNKNOWN_FIELD, detail, _inside(pointer, name))
    return {n: None if v is None else _PARSERS[n](v, _inside(pointer, n)) for n, v in values.items()}


def _inside(pointer: str, name: object) -> str:
    return f"{pointer}/{str(name)[:64].replace('~', '~0').replace('/', '~1')}"


def _decimal(value: object, pointer: str) -> Decimal:
    number = parse_decimal(value, pointer)
    if number < 0:
        raise Invalid(Code.BAD_NUMBER, f"{number} is below zero", pointer)
    return number


def _integer(value: object, pointer: str) -> int:
    number = _decimal(value, pointer)
    if number != number.to_integral_value() or number > _LARGEST_INT:
        detail = f"{quoted(str(value))} is not a whole number of at most {_LARGEST_INT}"
        raise Invalid(Code.BAD_NUMBER, detail, pointer)
    return int(number)


def _flag(value: object, pointer: str) -> bool:
    if not isinstance(value, bool):
        raise Invalid(Code.WRONG_TYPE, f"{quoted(value)} is neither true nor false", pointer)
    return value


def _list(parse: Parse, value: object, pointer: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise Invalid(Code.WRONG_TYPE, f"{quoted(value)} is no list of names", pointer)
    if len(value) > _MOST_NAMES:
        raise Invalid(Code.BAD_VALUE, f"{len(value)} names are too many: at most {_MOST_NAMES}", pointer)
    return tuple(dict.fromkeys(parse(one, pointer) for one in value))


def _leverage(value: object, pointer: str) -> dict[AssetClass, Decimal]:
    if not isinstance(value, Mapping):
        detail = f'{quoted(value)} says no number for an asset class: write such as {{"fx": 30}}'
        raise Invalid(Code.WRONG_TYPE, detail, pointer)
    return {
        parse_choice(AssetClass, name, pointer): _decimal(times, pointer) for name, times in value.items()
    }


def _of(kind: type[StrEnum], value: object, pointer: str) -> StrEnum:
    return parse_choice(kind, value, pointer)


_OF_LISTS: Final[Mapping[str, Parse]] = {
    "allowed_brokers": partial(_list, parse_name),
    "allowed_operations": partial(_list, partial(_of, Operation)),
    "allowed_order_types": partial(_list, partial(_of, OrderType)),
    "allowed_asset_classes": partial(_list, partial(_of, AssetClass)),
    "restricted_symbols": partial(_list, parse_key),
    "gates": partial(_list, parse_name),
}
LISTS: Final = frozenset(_OF_LISTS)
"""The limits that are lists of names."""
_OF_TYPES: Final[Mapping[Any, Parse]] = {
    Decimal | None: _decimal,
    int | None: _integer,
    bool | None: _flag,
    dict[AssetClass, Decimal] | None: _leverage,
}
_PARSERS: Final[Mapping[str, Parse]] = {
    field.name: _OF_LISTS[field.name] if field.name in _OF_LISTS else _OF_TYPES[field.type]
    for field in fields(Limits)
}

FIRM_SHOWN: Final = "-"
"""Stands for the firm, which has no name, where a name must stand."""


def parse_scope(level: object, name: object) -> Scope:
    """A level, and the name of what is meant there; the firm's is left out, or is `-`.

    Raises:
        Invalid: there is no such level, or the name is missing, or is no name.
    """
    parsed = parse_choice(Level, level, "#/level")
    if parsed is Level.FIRM:
        if name not in (None, "", FIRM_SHOWN):
            detail = f"{quoted(name)}: there is one firm: leave the name out"
            raise Invalid(Code.BAD_VALUE, detail, "#/name")
        return parsed, ""
    if name in (None, ""):
        raise Invalid(Code.MISSING, f"is missing: which {parsed}?", "#/name")
    return parsed, parse_name(name, "#/name")


def parse_why(body: object, known: tuple[str, ...] = ("reason",)) -> str:
    """The reason of a request that must have one.

    Raises:
        Invalid: it is missing, or is no text of at most 1,000 characters.
    """
    reason = parse_reason(check_fields(body, known).get("reason"), "#/reason")
    if reason is None or not reason.strip():
        raise Invalid(Code.MISSING, "is missing: say why", "#/reason")
    return reason
