"""What the package refuses, with which text, and what it takes; and what `last_error` says after it."""

from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

import numpy
import pytest

from ordergate.testing.metatrader5 import Fault
from ordergate.testing.metatrader5.structs import Tick, TradeRequest

from .desk import BUY, NOON, Desk


class Kind(IntEnum):
    BUY = 0


class Half(float):
    pass


FLOATS = [name for name, kind in TradeRequest.FIELDS.items() if kind is float]
INTS = [name for name, kind in TradeRequest.FIELDS.items() if kind is int]
TEXTS = ["symbol", "comment"]


@pytest.fixture(scope="module")
def desk() -> Desk:
    return Desk()


def refused(desk: Desk, text: str) -> bool:
    return desk.mt5.last_error() == (-2, text)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("wrong", [1, "1.0", None, numpy.float32(1.0)])
def test_a_number_that_is_no_float_is_refused(desk: Desk, name: str, wrong: Any) -> None:
    for function in (desk.mt5.order_send, desk.mt5.order_check):
        assert function(desk.request(**{name: wrong})) is None
        assert refused(desk, f'Invalid "{name}" argument')


@pytest.mark.parametrize("name", INTS)
@pytest.mark.parametrize("wrong", [1.0, "1", None, numpy.int64(1), -(2**63) - 1, 2**64])
def test_a_number_that_is_no_int_is_refused(desk: Desk, name: str, wrong: Any) -> None:
    assert desk.mt5.order_send(desk.request(**{name: wrong})) is None
    assert refused(desk, f'Invalid "{name}" argument')


@pytest.mark.parametrize("name", sorted({*INTS} - {"expiration"}))
def test_only_the_expiration_may_be_negative(desk: Desk, name: str) -> None:
    assert desk.mt5.order_send(desk.request(**{name: -1})) is None
    assert refused(desk, f'Invalid "{name}" argument')
    assert desk.mt5.order_send(desk.request(expiration=-1)) is not None


@pytest.mark.parametrize(
    ("name", "most"), [("type", 2**32), ("action", 2**32), ("magic", 2**64), ("position", 2**64)]
)
def test_how_large_a_number_may_be(desk: Desk, name: str, most: int) -> None:
    assert desk.mt5.order_check(desk.request(**{name: most - 1})) is not None
    assert desk.mt5.order_check(desk.request(**{name: most})) is None
    assert refused(desk, f'Invalid "{name}" argument')


@pytest.mark.parametrize("name", TEXTS)
def test_texts_have_at_most_29_utf16_units(desk: Desk, name: str) -> None:
    assert desk.mt5.order_check(desk.request(**{name: "x" * 29})) is not None
    assert desk.mt5.order_check(desk.request(**{name: "x" * 27 + "\N{ROCKET}"})) is not None
    for wrong in ("x" * 30, "x" * 28 + "\N{ROCKET}", None, b"x", 1):
        assert desk.mt5.order_check(desk.request(**{name: wrong})) is None
        assert refused(desk, f'Invalid "{name}" argument')


def test_kinds_of_int_and_float_are_taken() -> None:
    desk = Desk()
    sent = desk.mt5.order_send(
        desk.request(type=Kind.BUY, volume=numpy.float64(0.1), order=False, sl=Half(1.0))
    )
    assert (sent.retcode, sent.request.volume, sent.request.sl) == (10009, 0.1, 1.0)
    assert type(sent.request.volume) is float
    assert type(sent.request.type) is int


def test_the_first_wrong_field_in_the_struct_s_order_is_named(desk: Desk) -> None:
    assert desk.mt5.order_send({"comment": 1, "tp": 1, "magic": "1", "extra": object()}) is None
    assert refused(desk, 'Invalid "magic" argument')


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        ((), {}, "Invalid number of arguments"),
        (({}, {}), {}, "Invalid number of arguments"),
        (({},), {"volume": 1.0}, "Unnamed arguments not allowed"),
        (([],), {}, "Invalid arguments"),
        ((None,), {}, "Invalid arguments"),
    ],
)
def test_how_a_request_is_handed_in(desk: Desk, args: Any, kwargs: Any, text: str) -> None:
    assert desk.mt5.order_send(*args, **kwargs) is None
    assert refused(desk, text)


def test_a_request_may_be_named_arguments() -> None:
    desk = Desk()
    assert desk.mt5.order_send(**desk.request(volume=0.1)).retcode == 10009


def test_orders_and_positions_are_asked_for_by_name_and_by_ticket_first() -> None:
    desk = Desk()
    ticket = desk.deal(BUY, 0.1).order
    assert desk.mt5.positions_get("EURUSD") is None
    assert refused(desk, "Unnamed arguments not allowed")
    for name, wrong in (("ticket", None), ("ticket", 1.0), ("symbol", None), ("group", None)):
        assert desk.mt5.positions_get(**{name: wrong}) is None
        assert refused(desk, f'Invalid "{name}" argument')
    assert len(desk.mt5.positions_get(symbol="GBPUSD", ticket=ticket)) == 1
    assert len(desk.mt5.positions_get(symbol="EURUSD", group="GBP*")) == 1
    assert desk.mt5.positions_get(group="*USD*,!EURUSD") == ()
    assert len(desk.mt5.positions_get(group="*,!GBP*")) == 1


def test_no_such_ticket_is_an_empty_tuple_and_no_error(desk: Desk) -> None:
    for function in (desk.mt5.positions_get, desk.mt5.orders_get, desk.mt5.history_deals_get):
        assert function(ticket=1) == ()
        assert desk.mt5.last_error() == (1, "Success")


def test_an_error_is_none_and_not_an_empty_tuple() -> None:
    desk = Desk()
    desk.does.inject(Fault.FAIL, -1, calls=["positions_get"])
    assert desk.mt5.positions_get() is None
    assert desk.mt5.last_error() == (-1, "Terminal: Call failed")


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        ((), {}, "Invalid arguments"),
        ((1,), {}, "Invalid arguments"),
        ((1, "2"), {}, "Invalid arguments"),
        ((1, 2**31), {}, "Invalid arguments"),
        ((), {"date_from": 1, "date_to": 2}, "Invalid arguments"),
        ((1,), {"ticket": 2}, "Unnamed arguments not allowed"),
        ((1,), {"position": 2}, "Unnamed arguments not allowed"),
        ((1, 2), {"group": 3}, 'Invalid "group" argument'),
        ((), {"ticket": None}, 'Invalid "ticket" argument'),
        ((), {"position": 1.0}, 'Invalid "position" argument'),
    ],
)
def test_how_history_is_not_asked_for(desk: Desk, args: Any, kwargs: Any, text: str) -> None:
    for function in (desk.mt5.history_deals_get, desk.mt5.history_orders_get):
        assert function(*args, **kwargs) is None
        assert refused(desk, text)


def test_history_by_dates_of_any_kind() -> None:
    desk = Desk()
    desk.deal(BUY, 0.1)
    at = NOON // 1000
    for dates in (
        (at, at),
        (float(at), at + 0.9),
        (datetime.fromtimestamp(at, UTC), datetime(2030, 1, 1, tzinfo=UTC)),
    ):
        assert len(desk.mt5.history_deals_get(*dates)) == 1
        assert desk.mt5.history_deals_total(*dates) == 1
    assert desk.mt5.history_deals_get(at + 1, at + 2) == ()
    assert desk.mt5.history_deals_get(0, at, group="GBP*") == ()
    assert len(desk.mt5.history_deals_get(0, at, ticket=1)) == 1  # a ticket beside dates is not looked at


def test_history_deals_by_ticket_is_one_deal_and_not_an_order_s() -> None:
    desk = Desk()
    sent = desk.deal(BUY, 0.1)
    assert desk.mt5.history_deals_get(ticket=sent.order) == ()
    assert [one.ticket for one in desk.mt5.history_deals_get(ticket=sent.deal)] == [sent.deal]
    assert [one.ticket for one in desk.mt5.history_deals_get(position=sent.order)] == [sent.deal]


def test_functions_without_names_or_without_arguments_raise_as_c_functions_do(desk: Desk) -> None:
    for call in (
        lambda: desk.mt5.account_info(1),
        lambda: desk.mt5.positions_total(symbol="EURUSD"),
        lambda: desk.mt5.symbol_info(symbol="EURUSD"),
        lambda: desk.mt5.history_deals_total(date_from=1, date_to=2),
    ):
        with pytest.raises(TypeError):
            call()


def test_symbols_and_calculations_have_one_text_for_all(desk: Desk) -> None:
    for call in (
        lambda: desk.mt5.symbol_info(),
        lambda: desk.mt5.symbol_info(1),
        lambda: desk.mt5.symbol_info_tick("x" * 30),
        lambda: desk.mt5.order_calc_margin(0.0, "EURUSD", 1, 1),
        lambda: desk.mt5.order_calc_margin(0, "EURUSD", "1", 1),
        lambda: desk.mt5.order_calc_profit(0, "EURUSD", 1, 1),
    ):
        assert call() is None
        assert refused(desk, "Invalid arguments")
    assert desk.mt5.symbol_select("EURUSD", True, True) is False
    assert refused(desk, "Invalid arguments")


def test_a_symbol_is_watched_before_it_has_prices_or_is_traded() -> None:
    desk = Desk()
    desk.mt5.symbol_select("EURUSD", False)
    assert desk.mt5.symbol_info("EURUSD").visible is False
    assert desk.mt5.symbol_info("EURUSD").bid == 0.0
    assert desk.mt5.symbol_info_tick("EURUSD") is None
    assert desk.mt5.last_error() == (-4, "Terminal: Not found")
    assert desk.deal(BUY, 0.1).retcode == 10021
    assert desk.state.sent == []
    assert desk.mt5.order_check(desk.request(volume=0.1)).retcode == 10021
    assert desk.mt5.symbol_select("EURUSD")
    assert desk.mt5.symbol_info_tick("EURUSD").bid == 1.1
    assert desk.deal(BUY, 0.1).retcode == 10009
    assert desk.mt5.symbol_select("EURUSD", False) is False
    assert desk.mt5.symbol_select("XAUUSD") is False
    assert desk.mt5.last_error() == (-4, "Terminal: Not found")


def test_logging_in() -> None:
    desk = Desk()
    mt5 = desk.mt5
    assert mt5.initialize(login=5_000_001, password="secret", server="Ordergate-Demo")
    assert mt5.initialize("C:/terminal64.exe", login=5_000_001)
    assert mt5.login(5_000_001, "secret", "Ordergate-Demo", timeout=1000)
    for wrong in (
        {"login": 1},
        {"login": 5_000_001, "password": "no"},
        {"login": 5_000_001, "server": "Other"},
    ):
        assert mt5.initialize(**wrong) is False
        assert mt5.last_error() == (-6, "Terminal: Authorization failed")
        assert mt5.account_info() is None
        assert mt5.last_error() == (-10004, "No IPC connection")
    for args, kwargs, text in (
        ((1, 2), {}, "Invalid number of arguments"),
        ((1,), {}, "Invalid 1st unnamed argument"),
        ((), {"login": "1"}, 'Invalid "login" argument'),
        ((), {"timeout": 1.0}, 'Invalid "timeout" argument'),
        ((), {"password": None}, 'Invalid "password" argument'),
    ):
        assert mt5.initialize(*args, **kwargs) is False
        assert refused(desk, text)
    assert mt5.login("1") is False
    assert refused(desk, "Invalid 1st unnamed argument")
    assert mt5.login(1, 2) is False
    assert refused(desk, "Invalid 2nd unnamed argument")


def test_a_terminal_without_a_server_is_waited_for_and_given_up() -> None:
    desk = Desk()
    desk.does.inject(Fault.DISCONNECTED)
    assert desk.mt5.initialize(timeout=500) is False
    assert desk.mt5.last_error() == (-10005, "IPC timeout")
    desk.does.clear()
    desk.does.inject(Fault.LOGIN_REFUSED, times=1)
    assert desk.mt5.initialize(login=5_000_001) is False
    assert desk.mt5.last_error() == (-6, "Terminal: Authorization failed")
    assert desk.mt5.initialize(login=5_000_001) is True


def test_nothing_works_after_shutdown() -> None:
    desk = Desk()
    desk.mt5.shutdown()
    assert desk.mt5.last_error() == (1, "Success")
    assert desk.mt5.positions_get() is None
    assert desk.mt5.positions_total() is None
    assert desk.mt5.last_error() == (-10004, "No IPC connection")
    assert desk.mt5.order_send({"volume": 1}) is None
    assert refused(desk, 'Invalid "volume" argument')  # arguments are looked at first


def test_structs_are_tuples_with_names() -> None:
    tick = Desk().mt5.symbol_info_tick("EURUSD")
    assert isinstance(tick, Tick)
    assert tick == (NOON // 1000, 1.1, 1.1001, 0.0, 0, NOON, 6, 0.0)
    assert tick._asdict()["time_msc"] == NOON == tick[5] == tick.time_msc
    assert repr(tick).startswith(f"Tick(time={NOON // 1000}, bid=1.1, ")
    assert Tick.n_fields == 8
    with pytest.raises(TypeError, match="takes a 8-sequence"):
        Tick((1, 2))
    with pytest.raises(AttributeError):
        tick.bid = 2.0
    with pytest.raises(AttributeError):
        _ = tick.price


@pytest.mark.parametrize(
    "call", ["account_info", "terminal_info", "symbols_get", "positions_get", "orders_get"]
)
def test_every_field_has_its_type(call: str) -> None:
    desk = Desk()
    desk.deal(BUY, 0.1)
    desk.pending(2, 0.1, 1.09)
    told = getattr(desk.mt5, call)()
    for one in told if isinstance(told[0], tuple) else [told]:
        assert [type(value) for value in one] == list(one.FIELDS.values())


def test_requests_results_deals_and_orders_have_their_types_too() -> None:
    desk = Desk()
    sent, checked = desk.deal(BUY, 0.1), desk.mt5.order_check(desk.request(volume=0.1))
    for one in (sent, sent.request, checked, desk.deals()[0], *desk.history().values()):
        assert [type(value) for value in one] == list(one.FIELDS.values())
    assert sent._asdict()["request"] is sent.request
