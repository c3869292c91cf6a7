"""Signals from a JSON Lines file, plain or gzip: one object a line, in either dialect of `domain.signals`.

    {"signal_id": "s-1", "symbol": "EURUSD", "signal_type": "buy", "position_size": 0.5,
     "time": "2014-05-08T08:00:00Z"}

(in one line). Numbers are taken from their text, never through a float. A file is read whole or not at all.
The same signal may stand there twice: a repeated delivery is what the engine has to recognize.
"""

from datetime import datetime
from operator import itemgetter
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from ordergate.adapters.market_data.csv_quotes import text_lines
from ordergate.domain.errors import Code, Invalid, OrdergateError
from ordergate.domain.exact_json import parse_json
from ordergate.domain.signals import Signal, parse_signal
from ordergate.domain.times import EXAMPLE

_LONGEST_LINE: Final = 1_000_000


class SignalsError(OrdergateError):
    """A file of signals cannot be read; the text names the file, line, field and what would be right."""


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
            raise SignalsError(f"{path}, line {number}: {error}") from error
    if not found:
        raise SignalsError(f"{path}: is empty; every line must be one signal as a JSON object")
    return sorted(found, key=itemgetter(0))


def _timed_signal(line: str) -> tuple[datetime, Signal]:
    signal = replace(parse_signal(parse_json(line)), raw=line)
    if signal.time is None:
        detail = (
            f"is missing (or timestamp, created_at, timestamp_ms): the signal's moment, such as {EXAMPLE}"
        )
        raise Invalid(Code.MISSING, detail, "#/time")
    return signal.time, signal
