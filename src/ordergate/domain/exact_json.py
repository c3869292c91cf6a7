"""JSON as it is written: numbers as exact decimals, no name twice, nothing that is no number."""

import json
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Final

from msgspec import Struct

from ordergate.domain.errors import Code, Invalid, pointer_to
from ordergate.domain.money import EXACT

_MOST_INT_DIGITS: Final = 20


class _NoNumber(Struct, frozen=True, gc=False):
    """Stands for what JSON calls a number and is none, until the name of its field is known."""

    written: str


def parse_json(text: str) -> object:
    """A JSON text, with integers as int and other numbers as Decimal.

    Raises:
        Invalid: it is not JSON, is nested too deeply, has a name twice, or a number that is none.
    """
    try:
        return _JSON.decode(text.strip())
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise Invalid(Code.BAD_VALUE, f"is not JSON ({error.msg} at {place})") from None
    except RecursionError:
        raise Invalid(Code.BAD_VALUE, "is not JSON of ours: it is nested too deeply") from None


def _object(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    fields: dict[str, object] = {}
    for name, value in pairs:
        if name in fields:
            raise Invalid(Code.BAD_VALUE, "stands there twice; keep one", pointer_to(name))
        wrong = _no_number(value)
        if wrong is not None:
            detail = f"{wrong.written} is not a number; write a finite one or leave the field out"
            raise Invalid(Code.BAD_NUMBER, detail, pointer_to(name))
        fields[name] = value
    return fields


def _no_number(value: object) -> _NoNumber | None:
    if isinstance(value, list):
        return next((wrong for item in value if (wrong := _no_number(item)) is not None), None)
    return value if isinstance(value, _NoNumber) else None


def _decimal(written: str) -> Decimal | _NoNumber:
    try:
        return Decimal(written, EXACT)
    except InvalidOperation:  # an exponent beyond what decimal can hold
        return _NoNumber(written)


def _integer(written: str) -> int | Decimal | _NoNumber:
    # Beyond some thousand digits int() raises; a Decimal of any length is refused by its field's own rule.
    return int(written) if len(written) <= _MOST_INT_DIGITS else _decimal(written)


_JSON: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_decimal, parse_int=_integer, parse_constant=_NoNumber
)
