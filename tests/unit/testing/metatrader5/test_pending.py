"""Orders that wait: limit, stop and stop-limit, how long, how they are changed, and what the server refuses of them."""

from decimal import Decimal
from typing import Any

import pytest

from ordergate.testing.metatrader5 import constants as mt5

from .desk import BUY, EXCHANGE, HEDGING, NOON, SELL, Desk

D = Decimal
BUY_LIMIT, SELL_LIMIT, BUY_STOP, SELL_STOP = 2, 3, 4, 5
BUY_STOP_LIMIT, SELL_STOP_LIMIT = 6, 7
HOUR = 3_600_000


@pytest.mark.parametrize(
    ("kind", "price", "not_yet", "then", "at"),
    [
        (BUY_LIMIT, 1.09, ("1.08995", "1.09005"), ("1.08980", "1.08990"), 1.0899),
        (SELL_LIMIT, 1.11, ("1.10990", "1.11010"), ("1.11010", "1.11020"), 1.1101),
        (BUY_STOP, 1.11, ("1.10985", "1.10995"), ("1.11000", "1.11010"), 1.1101),
        (SELL_STOP, 1.09, ("1.09005", "1.09015"), ("1.08990", "1.09000"), 1.0899),
    ],
)
def test_orders_wait_for_their_price(
    kind: int, price: float, not_yet: tuple[str, str], then: tuple[str, str], at: float
) -> None:
    desk = Desk()
    sent = desk.pending(kind, 0.2, price, magic=9, comment="wait", sl=0.0)
    assert (sent.retcode, sent.deal, sent.price) == (10009, 0, 0.0)
    desk.quote(*not_yet)
    (order,) = desk.mt5.orders_get(symbol="EURUSD")
    assert (order.ticket, order.state, order.price_open, order.type) == (sent.order, 1, price, kind)
    assert (order.volume_initial, order.volume_current, order.magic, order.comment) == (0.2, 0.2, 9, "wait")
    desk.quote(*then)
    assert desk.mt5.orders_get() == ()
    (position,) = desk.mt5.positions_get()
    assert (position.ticket, position.price_open, position.magic, position.comment) == (
        sent.order,
        at,
        9,
        "wait",
    )
    assert desk.history()[sent.order].state == mt5.ORDER_STATE_FILLED
    assert desk.deals()[0].order == sent.order


@pytest.mark.parametrize(
    ("kind", "wrong"), [(BUY_LIMIT, 1.1001), (SELL_LIMIT, 1.1), (BUY_STOP, 1.1001), (SELL_STOP, 1.1)]
)
def test_a_price_that_is_there_already_is_refused(kind: int, wrong: float) -> None:
    assert Desk().pending(kind, 0.1, wrong).retcode == 10015


@pytest.mark.parametrize(
    ("price", "retcode"), [(1.09511, 10015), (1.0951, 10009), (0.0, 10015), (1.095101, 10015)]
)
def test_a_price_keeps_its_distance_and_is_a_multiple_of_the_tick(price: float, retcode: int) -> None:
    assert Desk(symbol={"stops_level": 500}).pending(BUY_LIMIT, 0.1, price).retcode == retcode


def test_a_stop_limit_order_becomes_the_limit_order_that_it_names() -> None:
    desk = Desk()
    assert desk.pending(BUY_STOP_LIMIT, 0.1, 1.11, stoplimit=1.1101).retcode == 10015
    sent = desk.pending(BUY_STOP_LIMIT, 0.1, 1.11, stoplimit=1.105)
    assert desk.mt5.orders_get()[0].price_stoplimit == 1.105
    desk.quote("1.11000", "1.11010")
    (order,) = desk.mt5.orders_get()
    assert (order.ticket, order.type, order.price_open) == (sent.order, BUY_LIMIT, 1.105)
    desk.quote("1.10480", "1.10490")
    assert desk.mt5.positions_get()[0].price_open == 1.1049
    sell = desk.pending(SELL_STOP_LIMIT, 0.1, 1.1, stoplimit=1.1)
    desk.quote("1.10000", "1.10010")
    assert desk.history()[sell.order].type == SELL_LIMIT


def test_a_limit_order_that_crosses_trades_at_once_at_an_exchange_alone() -> None:
    desk = Desk(symbol={"exemode": mt5.SYMBOL_TRADE_EXECUTION_EXCHANGE}, margin_mode=EXCHANGE)
    desk.quote("1.10000", "1.10010", ask_size="0.1")
    sent = desk.pending(BUY_LIMIT, 0.3, 1.102)
    assert sent.retcode == 10008
    (order,) = desk.mt5.orders_get()
    assert (order.ticket, order.volume_current, order.state) == (sent.order, 0.2, mt5.ORDER_STATE_PARTIAL)
    assert desk.deals()[0].price == 1.1001
    boc = {"type_filling": mt5.ORDER_FILLING_BOC}
    assert desk.pending(BUY_LIMIT, 0.1, 1.09, **boc).retcode == 10030
    desk.does.symbol("EURUSD", filling_mode=7)
    assert desk.pending(BUY_LIMIT, 0.1, 1.102, **boc).retcode == 10006
    assert desk.pending(BUY_LIMIT, 0.1, 1.09, **boc).retcode == 10008


def test_ioc_and_fok_of_a_pending_order_hold_when_it_is_reached() -> None:
    desk = Desk()
    ioc = desk.pending(BUY_LIMIT, 0.3, 1.09, type_filling=mt5.ORDER_FILLING_IOC)
    fok = desk.pending(BUY_LIMIT, 0.3, 1.0899, type_filling=mt5.ORDER_FILLING_FOK)
    desk.quote("1.08970", "1.08980", ask_size="0.4")
    desk.quote("1.08970", "1.08980", ask_size="0.4")
    assert desk.history()[ioc.order].state == mt5.ORDER_STATE_FILLED
    assert desk.history()[fok.order].state == mt5.ORDER_STATE_CANCELED
    assert desk.mt5.positions_get()[0].volume == 0.3


@pytest.mark.parametrize(
    ("lasts", "expiration", "gone_after_h"),
    [
        (mt5.ORDER_TIME_DAY, 0, 10),
        (mt5.ORDER_TIME_SPECIFIED, (NOON + 4 * HOUR) // 1000, 2),
        (mt5.ORDER_TIME_SPECIFIED_DAY, (NOON + 26 * HOUR) // 1000, 34),
    ],
)
def test_orders_expire_on_the_server_s_clock(lasts: int, expiration: int, gone_after_h: int) -> None:
    desk = Desk(offset_s=2 * 3600)
    sent = desk.pending(BUY_LIMIT, 0.1, 1.09, type_time=lasts, expiration=expiration)
    desk.does.advance(gone_after_h * HOUR - 1)
    assert desk.mt5.orders_total() == 1
    desk.does.advance(1)
    assert desk.mt5.orders_total() == 0
    order = desk.history()[sent.order]
    assert (order.state, order.volume_current) == (mt5.ORDER_STATE_EXPIRED, 0.1)
    desk.quote("1.08000", "1.08010")
    assert desk.mt5.positions_get() == ()


def test_orders_good_till_canceled_stay_unless_the_symbol_keeps_them_a_day() -> None:
    desk = Desk()
    desk.pending(BUY_LIMIT, 0.1, 1.09)
    desk.does.symbol("EURUSD", gtc_mode=mt5.SYMBOL_ORDERS_DAILY)
    desk.pending(BUY_LIMIT, 0.2, 1.09)
    desk.does.advance(48 * HOUR)
    assert [order.volume_current for order in desk.mt5.orders_get()] == [0.1]


@pytest.mark.parametrize(
    ("mode", "fields", "retcode"),
    [
        (15, {"type_time": 2, "expiration": NOON // 1000}, 10022),
        (15, {"type_time": 2, "expiration": NOON // 1000 + 1}, 10009),
        (15, {"type_time": 4}, 10022),
        (7, {"type_time": 3, "expiration": NOON // 1000 + 99}, 10022),
        (14, {}, 10022),
    ],
)
def test_expirations_that_the_symbol_does_not_know(mode: int, fields: dict[str, Any], retcode: int) -> None:
    assert Desk(symbol={"expiration_mode": mode}).pending(BUY_LIMIT, 0.1, 1.09, **fields).retcode == retcode


def modify(desk: Desk, ticket: int, **fields: Any) -> int:
    asked = {"action": mt5.TRADE_ACTION_MODIFY, "order": ticket, "price": 1.09, **fields}
    return int(desk.mt5.order_send(asked).retcode)


def remove(desk: Desk, ticket: int) -> int:
    return int(desk.mt5.order_send({"action": mt5.TRADE_ACTION_REMOVE, "order": ticket}).retcode)


def test_orders_are_changed_and_removed() -> None:
    desk = Desk()
    sent = desk.pending(BUY_LIMIT, 0.1, 1.09)
    assert modify(desk, sent.order) == 10025
    assert modify(desk, sent.order, price=1.2) == 10015
    assert modify(desk, sent.order, sl=1.095) == 10016
    assert modify(desk, sent.order, price=1.085, sl=1.08, type_time=mt5.ORDER_TIME_DAY) == 10009
    (order,) = desk.mt5.orders_get()
    assert (order.price_open, order.sl, order.type_time, order.volume_current) == (1.085, 1.08, 1, 0.1)
    assert order.time_expiration == (NOON // 1000 // 86_400 + 1) * 86_400
    assert remove(desk, sent.order) == 10009
    assert desk.history()[sent.order].state == mt5.ORDER_STATE_CANCELED
    assert remove(desk, sent.order) == modify(desk, sent.order) == 10023
    assert remove(desk, 5) == modify(desk, 5) == 10013


def test_what_is_about_to_happen_is_frozen() -> None:
    desk = Desk(symbol={"freeze_level": 20})
    order = desk.pending(BUY_LIMIT, 0.1, 1.0998)
    position = desk.deal(BUY, 0.1, sl=1.09)
    desk.quote("1.09990", "1.10000")
    assert remove(desk, order.order) == modify(desk, order.order) == 10029
    desk.quote("1.10000", "1.10010")
    assert remove(desk, order.order) == 10009
    desk.quote("1.09010", "1.09020")
    asked = {"action": mt5.TRADE_ACTION_SLTP, "symbol": "EURUSD", "position": position.order, "sl": 1.085}
    assert desk.mt5.order_send(asked).retcode == 10029


def test_levels_of_a_position_are_moved_and_taken_away() -> None:
    desk = Desk(symbol={"stops_level": 10})
    position = desk.deal(BUY, 0.1)

    def move(**fields: Any) -> int:
        asked = {"action": mt5.TRADE_ACTION_SLTP, "symbol": "EURUSD", "position": position.order}
        return int(desk.mt5.order_send({**asked, **fields}).retcode)

    assert move() == 10025
    assert [move(sl=level) for level in (1.1, 1.09991, 1.099905, 1.0999)] == [10016, 10016, 10016, 10009]
    assert move(sl=1.0999, tp=1.10009) == 10016
    assert move(sl=1.0999, tp=1.1001) == 10009
    assert move(position=0) == 10009  # a netting account needs the symbol alone
    assert desk.mt5.positions_get()[0][11:13] == (0.0, 0.0)
    assert move(position=999, sl=1.0) == 10036
    assert move(symbol="GBPUSD", sl=1.0) == 10013
    hedging = Desk(margin_mode=HEDGING)
    hedging.deal(BUY, 0.1)
    assert hedging.send(action=mt5.TRADE_ACTION_SLTP, sl=1.0).retcode == 10036


@pytest.mark.parametrize(
    ("symbol", "fields", "retcode"),
    [
        ({}, {"volume": 0.0}, 10014),
        ({}, {"volume": 0.001}, 10014),
        ({}, {"volume": 0.105}, 10014),
        ({}, {"volume": 100.01}, 10014),
        ({"volume_step": D("0.1")}, {"volume": 0.3}, 10009),
        ({"volume_limit": D("0.1")}, {"volume": 0.11}, 10034),
        ({"trade_mode": 0}, {}, 10017),
        ({"trade_mode": 1}, {}, 10009),
        ({"trade_mode": 1}, {"type": SELL}, 10042),
        ({"trade_mode": 2}, {}, 10043),
        ({"trade_mode": 3}, {}, 10044),
        ({"closed": True}, {}, 10018),
        ({"frozen": True}, {}, 10021),
        ({}, {"symbol": "NONE"}, 10013),
        ({}, {"type": 2}, 10013),
        ({}, {"action": 0}, 10013),
        ({"order_mode": 126}, {}, 10035),
        ({}, {"sl": 1.1}, 10016),
        ({}, {"tp": 1.09}, 10016),
        ({}, {"type": SELL, "sl": 1.1}, 10016),
        ({"order_mode": 127 - 16}, {"sl": 1.09}, 10016),
        ({}, {"type_filling": 2}, 10030),
        ({}, {"type_filling": 3}, 10030),
        ({"filling_mode": 1}, {}, 10030),
        ({"filling_mode": 2}, {"type_filling": 0}, 10030),
        ({"exemode": 3}, {"type_filling": 2}, 10009),
        ({"exemode": 1}, {"type_filling": 0}, 10015),
        ({"exemode": 1}, {"type_filling": 1, "price": 1.1001}, 10030),
        ({"exemode": 1}, {"type_filling": 0, "price": 1.1001}, 10009),
        ({"exemode": 1}, {"type_filling": 0, "price": 1.1003, "deviation": 19}, 10004),
        ({"exemode": 0}, {"type_filling": 0, "price": 1.1003, "deviation": 20}, 10009),
        ({}, {"price": 5.0}, 10009),
    ],
)
def test_what_the_server_says_to_a_deal(symbol: dict[str, Any], fields: dict[str, Any], retcode: int) -> None:
    desk = Desk(symbol=symbol)
    asked = desk.request(**{"type": BUY, "volume": 0.1, **fields})
    found = desk.mt5.order_check(asked).retcode
    assert desk.mt5.order_send(asked).retcode == retcode
    assert found == (0 if retcode == 10009 else retcode)
    assert len(desk.mt5.positions_get()) == (retcode == 10009)


def test_limits_count_what_is_there_and_what_waits() -> None:
    desk = Desk(symbol={"volume_limit": D("0.3")}, limit_orders=2)
    desk.deal(BUY, 0.1)
    desk.pending(BUY_LIMIT, 0.1, 1.09)
    assert desk.deal(BUY, 0.2).retcode == 10034
    assert desk.pending(BUY_LIMIT, 0.2, 1.09).retcode == 10034
    assert desk.pending(SELL_LIMIT, 0.2, 1.11).retcode == 10009
    assert desk.pending(SELL_LIMIT, 0.2, 1.11).retcode == 10033


def test_what_is_only_closed_may_be_closed() -> None:
    desk = Desk()
    desk.deal(BUY, 0.2)
    desk.does.symbol("EURUSD", trade_mode=mt5.SYMBOL_TRADE_MODE_CLOSEONLY)
    assert desk.deal(SELL, 0.3).retcode == 10044
    assert desk.deal(SELL, 0.2).retcode == 10009


def test_an_order_that_is_reached_without_the_money_is_rejected() -> None:
    desk = Desk(balance=D(500))
    sent = desk.pending(BUY_LIMIT, 1.0, 1.09)
    assert sent.retcode == 10009
    desk.quote("1.08980", "1.08990")
    assert desk.history()[sent.order].state == mt5.ORDER_STATE_REJECTED
    assert desk.mt5.positions_get() == ()


def test_an_order_whose_margin_nothing_prices_is_rejected_too() -> None:
    desk = Desk(currency="CHF")
    assert desk.deal(BUY, 0.1).retcode == 10021
    sent = desk.pending(BUY_LIMIT, 0.1, 1.09)
    desk.quote("1.08980", "1.08990")
    assert desk.history()[sent.order].state == mt5.ORDER_STATE_REJECTED


def test_nothing_happens_while_the_market_is_closed() -> None:
    desk = Desk(margin_mode=HEDGING)
    desk.deal(BUY, 0.1, sl=1.09)
    desk.pending(BUY_LIMIT, 0.1, 1.08)
    desk.does.symbol("EURUSD", closed=True)
    desk.quote("1.07000", "1.07010")
    assert (desk.mt5.positions_total(), desk.mt5.orders_total()) == (1, 1)
    assert remove(desk, desk.mt5.orders_get()[0].ticket) == 10018
    desk.does.symbol("EURUSD", closed=False)
    desk.quote("1.07000", "1.07010")
    assert [deal.reason for deal in desk.deals()] == [3, 3, mt5.DEAL_REASON_SL]
