"""Signals from a JSON Lines file, plain or gzip: one object a line, in either dialect of `domain.signals`.

    {"signal_id": "s-1", "symbol": "EURUSD", "signal_type": "buy", "position_size": 0.5,
     "time": "2014-05-08T08:00:00Z"}

(in one line). Numbers are taken from their text, never through a float. A file is read whole or not at all.
The same signal may stand there twice: a repeated delivery is what the engine has to recognize.
"""

import json
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from operator import itemgetter
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from ordergate.adapters.market_data.csv_quotes import text_lines
from ordergate.domain.errors import Code, Invalid, OrdergateError
from ordergate.domain.money import EXACT
from ordergate.domain.signals import Signal, parse_signal
from ordergate.domain.times import EXAMPLE

_LONGEST_LINE: Final = 1_000_000
_MOST_INT_DIGITS: Final = 20


class SignalsError(OrdergateError):
    """A file of signals cannot be read; the text names the file, line, field and what would be right."""


class _NoNumber(Struct, frozen=True):
    """Stands for what JSON calls a number and is none, until the name of its field is known."""

    written: str


def read_signals(path: Path) -> list[tuple[datetime, Signal]]:
    """All signals of a file with the moment each is for, by time; at equal times in the order of the file.

    Raises:
        SignalsError: the file cannot be read, has no signal, or a line is wrong.
    """
    found = []
    for number, line in enumerate(text_lines(path, SignalsError, _LONGEST_LINE), 1):
        if not line.strip():
            continue
        try:
            found.append(_timed_signal(line))
        except Invalid as error:
            raise SignalsError(f"{path}, line {number}: {_printable(str(error))}") from error
    if not found:
        raise SignalsError(f"{path}: is empty; every line must be one signal as a JSON object")
    return sorted(found, key=itemgetter(0))


def _timed_signal(line: str) -> tuple[datetime, Signal]:
    signal = replace(parse_signal(_parsed(line)), raw=line)
    if signal.time is None:
        detail = (
            f"is missing (or timestamp, created_at, timestamp_ms): the signal's moment, such as {EXAMPLE}"
        )
        raise Invalid(Code.MISSING, detail, "#/time")
    return signal.time, signal


def _parsed(line: str) -> object:
    try:
        return _JSON.decode(line)
    except json.JSONDecodeError as error:
        detail = f"is not JSON ({error.msg} at column {error.colno}): every line must be one JSON object"
        raise Invalid(Code.BAD_VALUE, detail) from None
    except RecursionError:
        raise Invalid(Code.BAD_VALUE, "is nested too deeply: a signal is a flat JSON object") from None


def _object(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    fields: dict[str, object] = {}
    for name, value in pairs:
        if name in fields:
            raise Invalid(Code.BAD_VALUE, "stands there twice; keep one", f"#/{name}")
        wrong = _no_number(value)
        if wrong is not None:
            detail = f"{wrong.written} is not a number; write a finite one or leave the field out"
            raise Invalid(Code.BAD_NUMBER, detail, f"#/{name}")
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


def _printable(detail: str) -> str:
    """Names of fields come from the file: lone surrogates and control characters are escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in detail)
