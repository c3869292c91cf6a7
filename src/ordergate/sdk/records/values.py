"""What the values of a frame become, by the kind of their column; no frame is known here, only columns as lists.

| kind | becomes | a null becomes | refused |
|---|---|---|---|
| time | UTC, to the microsecond; without a zone it is UTC already | None, in the index refused | what is no time |
| text | text | the empty text | a NUL character |
| number | float | 0.0, as does what is no number | |
| whole | int, what stands behind the point is cut | 0, as does what is no number | beyond 64 bits |
| flag | true or false | false | |
| document | a mapping or a list that JSON can hold | the empty mapping | all else; a NUL character |
"""

import datetime as dt
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import Any, Final

import sqlalchemy as sa

from ordergate.sdk.records.base import Timestamp

FIRST: Final = dt.datetime(1678, 1, 1, tzinfo=dt.UTC)
LAST: Final = dt.datetime(2262, 1, 1, tzinfo=dt.UTC)
"""Frames count nanoseconds since 1970 in 64 bits, which hold the times between."""

_NO_VALUE: Final = frozenset({"NAType", "NaTType"})
_WHOLE: Final = 2**63
_NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_NO_NUL: Final = "it has a NUL character, which databases do not keep: leave it out"


class Kind(Enum):
    """What a column holds."""

    TIME = "time"
    TEXT = "text"
    NUMBER = "number"
    WHOLE = "whole"
    FLAG = "flag"
    DOCUMENT = "document"


_KINDS: Final[tuple[tuple[type[sa.types.TypeEngine[Any]], Kind], ...]] = (
    (Timestamp, Kind.TIME),
    (sa.JSON, Kind.DOCUMENT),
    (sa.Boolean, Kind.FLAG),
    (sa.Integer, Kind.WHOLE),
    (sa.Float, Kind.NUMBER),
    (sa.String, Kind.TEXT),
)


def kind_of(name: str, column_type: sa.types.TypeEngine[Any]) -> Kind:
    """What a column of a table holds.

    Raises:
        TypeError: frames have no such values.
    """
    for known, kind in _KINDS:
        if isinstance(column_type, known):
            return kind
    raise TypeError(
        f"column {name} is {column_type!r}: a frame's columns are Timestamp, String, Double, BigInteger, "
        "Boolean or JSON_DOCUMENT"
    )


def is_null(value: object) -> bool:
    """Whether it stands for no value: None, NaN, or the libraries' own words for it."""
    if value is None or type(value).__name__ in _NO_VALUE:
        return True
    if isinstance(value, Decimal):
        return value.is_nan()
    return isinstance(value, float) and value != value


def normalised(name: str, kind: Kind, values: Sequence[Any]) -> list[Any]:
    """A column's values, each as its kind wants it.

    Raises:
        ValueError: one cannot be; the text has the column, the row counted from 0, and the value.
    """
    become = _BECOME[kind]
    done = []
    for row, value in enumerate(values):
        try:
            done.append(become(value))
        except (ValueError, TypeError, OverflowError) as error:
            raise ValueError(f"{error} (column {name}, row {row}: {_shown(value)})") from None
    return done


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _time(value: Any) -> dt.datetime | None:
    if type(value) is not dt.datetime:
        if is_null(value):
            return None
        value = _moment(value)
    moment = value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)
    if not FIRST <= moment < LAST:
        raise ValueError(f"Invalid execution time: a frame holds times from {FIRST:%Y} to {LAST:%Y}")
    return moment  # type: ignore[no-any-return]


def held(moment: dt.datetime | None) -> dt.datetime | None:
    """The moment, or the nearest that a frame holds."""
    return None if moment is None else min(max(moment, FIRST), LAST - dt.timedelta.resolution)


def _moment(value: Any) -> dt.datetime:
    """Of what is no datetime of Python's own."""
    if hasattr(value, "to_pydatetime"):  # of pandas: nanoseconds are cut
        return value.to_pydatetime(warn=False)  # type: ignore[no-any-return]
    if isinstance(value, dt.datetime):
        return value
    if isinstance(value, dt.date):
        return dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
    try:
        if isinstance(value, str):
            return dt.datetime.fromisoformat(value)
    except ValueError:
        pass
    raise ValueError("Invalid execution time: write a datetime, or ISO 8601 such as 2026-05-26T14:30:00Z")


def _text(value: Any) -> str:
    text = value if type(value) is str else "" if is_null(value) else str(value)
    if "\0" in text:
        raise ValueError(f"Invalid execution text: {_NO_NUL}")
    return text


def _number(value: Any) -> float:
    if type(value) is not float:
        if is_null(value) or (isinstance(value, str) and "_" in value):
            return 0.0
        try:
            value = float(value)
        except (TypeError, ValueError, OverflowError):
            return 0.0
    return 0.0 if value != value else value


def _whole(value: Any) -> int:
    if isinstance(value, int):
        number = int(value)
    elif hasattr(value, "__index__"):  # numpy's: a float has not all of them
        number = value.__index__()
    else:
        cut = _number(value)
        number = int(cut) if math.isfinite(cut) else _WHOLE
    if not -_WHOLE <= number < _WHOLE:
        raise ValueError("Invalid execution integer: it does not fit into 64 bits")
    return number


def _flag(value: Any) -> bool:
    return not is_null(value) and bool(value)


def _document(value: Any) -> Any:
    if isinstance(value, dict | list):
        try:
            text = json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"Invalid jsonb execution value: JSON cannot hold it: {error}") from None
        if _NUL.search(text):
            raise ValueError(f"Invalid jsonb execution value: {_NO_NUL}")
        return json.loads(text)  # as it will be read back
    if is_null(value):
        return {}
    raise ValueError("Invalid jsonb execution value: write a dict or a list")


_BECOME: Final[Mapping[Kind, Callable[[Any], Any]]] = {
    Kind.TIME: _time,
    Kind.TEXT: _text,
    Kind.NUMBER: _number,
    Kind.WHOLE: _whole,
    Kind.FLAG: _flag,
    Kind.DOCUMENT: _document,
}
