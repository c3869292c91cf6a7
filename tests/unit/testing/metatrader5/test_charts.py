"""Ticks and bars as arrays, and the depth of market."""

from ordergate.testing.metatrader5 import Fault
from ordergate.testing.metatrader5 import constants as mt5

from .desk import NOON, Desk

AT = NOON // 1000


def walked() -> Desk:
    desk = Desk()
    for second, bid in ((30, "1.10500"), (59, "1.09500"), (60, "1.10200"), (150, "1.10300")):
        desk.does.clock(NOON + second * 1000)
        desk.quote(bid, bid[:-2] + "20")
    return desk


def test_ticks_are_an_array_of_what_was_heard() -> None:
    desk = walked()
    told = desk.mt5.copy_ticks_range("EURUSD", AT + 30, AT + 60, mt5.COPY_TICKS_ALL)
    assert list(told["bid"]) == [1.105, 1.095, 1.102]
    assert told.dtype.names == ("time", "bid", "ask", "last", "volume", "time_msc", "flags", "volume_real")
    assert list(desk.mt5.copy_ticks_from("EURUSD", AT, 2, mt5.COPY_TICKS_ALL)["time_msc"]) == [
        NOON,
        NOON + 30_000,
    ]
    desk.does.inject(Fault.DISCONNECTED)
    desk.quote("1.20000", "1.20010")
    assert 1.2 not in desk.mt5.copy_ticks_from("EURUSD", AT, 100, mt5.COPY_TICKS_ALL)["bid"]


def test_bars_are_made_of_bids() -> None:
    desk = walked()
    told = desk.mt5.copy_rates_range("EURUSD", mt5.TIMEFRAME_M1, AT, AT + 3600)
    assert [tuple(bar) for bar in told] == [
        (AT, 1.1, 1.105, 1.095, 1.095, 3, 10, 0),
        (AT + 60, 1.102, 1.102, 1.102, 1.102, 1, 20, 0),
        (AT + 120, 1.103, 1.103, 1.103, 1.103, 1, 20, 0),
    ]
    assert list(desk.mt5.copy_rates_from_pos("EURUSD", mt5.TIMEFRAME_M1, 1, 1)["time"]) == [AT + 60]
    assert list(desk.mt5.copy_rates_from("EURUSD", mt5.TIMEFRAME_M1, AT + 70, 5)["time"]) == [AT, AT + 60]
    for frame, begin in ((mt5.TIMEFRAME_H4, AT), (mt5.TIMEFRAME_D1, AT - 12 * 3600),
                         (mt5.TIMEFRAME_W1, AT - 132 * 3600), (mt5.TIMEFRAME_MN1, AT - 348 * 3600)):  # fmt: skip
        (bar,) = desk.mt5.copy_rates_from_pos("EURUSD", frame, 0, 10)
        assert (bar["time"], bar["tick_volume"]) == (begin, 5)


def test_what_is_asked_wrongly() -> None:
    desk = walked()
    for call in (
        lambda: desk.mt5.copy_rates_from_pos("EURUSD", mt5.TIMEFRAME_M1, 0),
        lambda: desk.mt5.copy_rates_from_pos("EURUSD", mt5.TIMEFRAME_M1, 0, 1.0),
        lambda: desk.mt5.copy_ticks_from("EURUSD", "yesterday", 1, 1),
    ):
        assert call() is None
        assert desk.mt5.last_error() == (-2, "Invalid arguments")
    assert desk.mt5.copy_rates_from_pos("EURUSD", 7, 0, 1) is None
    assert desk.mt5.last_error() == (-2, "Terminal: Invalid params")
    assert desk.mt5.copy_ticks_from("NONE", 0, 1, 1) is None
    assert desk.mt5.last_error() == (-4, "Terminal: Not found")


def test_the_depth_of_market_is_the_size_at_the_touch() -> None:
    desk = Desk()
    assert desk.mt5.market_book_get("EURUSD") is None
    assert desk.mt5.market_book_add("EURUSD") is True
    assert desk.mt5.market_book_get("EURUSD") == ()
    desk.quote("1.10000", "1.10010", "2.5", "3")
    assert desk.mt5.market_book_get("EURUSD") == ((1, 1.1001, 3, 3.0), (2, 1.1, 2, 2.5))
    assert desk.mt5.market_book_release("EURUSD") is True
    assert desk.mt5.market_book_get("EURUSD") is None
