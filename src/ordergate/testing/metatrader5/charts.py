"""Ticks that the terminal has heard since it started, and the bars that they make: bids, in the server's wall clock."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct

from ordergate.testing.metatrader5 import constants as mt5

TICK: Final = (
    ("time", "<i8"), ("bid", "<f8"), ("ask", "<f8"), ("last", "<f8"), ("volume", "<u8"), ("time_msc", "<i8"),
    ("flags", "<u4"), ("volume_real", "<f8"),
)  # fmt: skip
RATE: Final = (
    ("time", "<i8"), ("open", "<f8"), ("high", "<f8"), ("low", "<f8"), ("close", "<f8"), ("tick_volume", "<u8"),
    ("spread", "<i4"), ("real_volume", "<u8"),
)  # fmt: skip
DAY_S: Final = 86_400


class Heard(Struct, frozen=True):
    """One tick. `spread` is in points."""

    time_msc: int
    bid: float
    ask: float
    last: float
    spread: int

    def row(self) -> list[Any]:
        """As TICK has it."""
        flags = mt5.TICK_FLAG_BID | mt5.TICK_FLAG_ASK
        return [self.time_msc // 1000, self.bid, self.ask, self.last, 0, self.time_msc, flags, 0.0]


def begin(timeframe: int, at_s: int) -> int:
    """Of the bar that a second is in. Raises ValueError for what is no TIMEFRAME."""
    if timeframe == mt5.TIMEFRAME_MN1:
        return int(datetime.fromtimestamp(at_s, UTC).replace(day=1, hour=0, minute=0, second=0).timestamp())
    if timeframe == mt5.TIMEFRAME_W1:
        return at_s - (at_s + 4 * DAY_S) % (7 * DAY_S)  # weeks begin on Sunday, the epoch was a Thursday
    names = [
        name for name, value in mt5.EXPORTED.items() if name.startswith("TIMEFRAME_") and value == timeframe
    ]
    if not names:
        raise ValueError(f"timeframe={timeframe}: expected a TIMEFRAME constant")
    unit, many = names[0].removeprefix("TIMEFRAME_")[0], int(names[0].removeprefix("TIMEFRAME_")[1:])
    length = {"M": 60, "H": 3600, "D": DAY_S}[unit] * many
    return at_s - at_s % length


def bars(timeframe: int, ticks: Sequence[Heard]) -> list[list[Any]]:
    """Oldest first, as RATE has them; none where nothing was heard."""
    return [_bar(at, heard) for at, heard in _grouped(timeframe, ticks)]


def _grouped(timeframe: int, ticks: Sequence[Heard]) -> Iterator[tuple[int, list[Heard]]]:
    found: dict[int, list[Heard]] = {}
    for tick in ticks:
        found.setdefault(begin(timeframe, tick.time_msc // 1000), []).append(tick)
    return iter(found.items())


def _bar(at: int, heard: Sequence[Heard]) -> list[Any]:
    bids = [tick.bid for tick in heard]
    spread = min(tick.spread for tick in heard)
    return [at, bids[0], max(bids), min(bids), bids[-1], len(bids), spread, 0]
