"""One position a symbol: opened, increased, reduced, turned round, closed, by deals and by the server."""

from decimal import Decimal

import pytest

from ordergate.testing.metatrader5 import Steering, Symbol
from ordergate.testing.metatrader5 import constants as mt5

from .desk import BUY, EXCHANGE, NOON, SELL, Desk

D = Decimal
IN, OUT, INOUT = mt5.DEAL_ENTRY_IN, mt5.DEAL_ENTRY_OUT, mt5.DEAL_ENTRY_INOUT


def test_a_position_s_identifier_stays_and_its_ticket_follows_a_reversal() -> None:
    desk = Desk()
    first = desk.deal(BUY, 0.3, magic=7, comment="one")
    desk.quote("1.10200", "1.10210")
    desk.deal(BUY, 0.1, magic=8)
    (one,) = desk.mt5.positions_get()
    assert (one.ticket, one.identifier, one.volume, one.price_open) == (first.order, first.order, 0.4, 1.1006)
    assert (one.magic, one.comment) == (7, "one")
    third = desk.deal(SELL, 0.5, magic=9)
    (one,) = desk.mt5.positions_get()
    assert (one.ticket, one.identifier, one.type) == (third.order, first.order, mt5.POSITION_TYPE_SELL)
    assert (one.volume, one.price_open, one.magic) == (0.1, 1.102, 9)
    desk.deal(BUY, 0.1)
    assert desk.mt5.positions_get() == ()
    assert [deal.entry for deal in desk.deals()] == [IN, IN, INOUT, OUT]
    assert {deal.position_id for deal in desk.deals()} == {first.order}
    assert {order.position_id for order in desk.history().values()} == {first.order}
    assert [deal.profit for deal in desk.deals()] == [0.0, 0.0, 56.0, -1.0]
    assert desk.balance == D("100055.00")


def test_a_part_is_closed_with_its_part_of_the_swap_and_its_commission() -> None:
    desk = Desk(symbol={"commission": D(5), "swap_long": D("-2.5")})
    desk.deal(BUY, 0.4)
    desk.does.rollover()
    (one,) = desk.mt5.positions_get()
    assert one.swap == -1.0
    desk.quote("1.10110", "1.10120")
    desk.deal(SELL, 0.1)
    last = desk.deals()[-1]
    assert (last.profit, last.swap, last.commission, last.entry) == (10.0, -0.25, -0.5, OUT)
    assert desk.mt5.positions_get()[0].swap == -0.75
    assert desk.balance == 100_000 - 2 + 10 - D("0.25") - D("0.5")


def test_levels_are_those_of_the_latest_order_that_adds_and_stay_when_it_reduces() -> None:
    desk = Desk()
    desk.deal(BUY, 0.3, sl=1.09, tp=1.11)
    desk.deal(SELL, 0.1)
    assert desk.mt5.positions_get()[0][11:13] == (1.09, 1.11)
    desk.deal(BUY, 0.1, sl=1.08)
    assert desk.mt5.positions_get()[0][11:13] == (1.08, 0.0)
    desk.deal(BUY, 0.1)
    assert desk.mt5.positions_get()[0][11:13] == (0.0, 0.0)


@pytest.mark.parametrize(
    ("kind", "sl", "tp", "bid", "ask", "reason", "comment", "price"),
    [
        (BUY, 1.08, 1.12, "1.07990", "1.08010", mt5.DEAL_REASON_SL, "[sl 1.08000]", 1.0799),
        (BUY, 1.08, 1.12, "1.12000", "1.12010", mt5.DEAL_REASON_TP, "[tp 1.12000]", 1.12),
        (SELL, 1.12, 1.08, "1.11990", "1.12000", mt5.DEAL_REASON_SL, "[sl 1.12000]", 1.12),
        (SELL, 1.12, 1.08, "1.07980", "1.07990", mt5.DEAL_REASON_TP, "[tp 1.08000]", 1.0799),
    ],
)
def test_levels_close_with_the_position_s_magic_and_a_comment_of_the_server(
    kind: int, sl: float, tp: float, bid: str, ask: str, reason: int, comment: str, price: float
) -> None:
    desk = Desk()
    opened = desk.deal(kind, 0.1, magic=77, comment="mine", sl=sl, tp=tp)
    desk.quote("1.09990", "1.10000")
    assert len(desk.mt5.positions_get()) == 1
    desk.quote(bid, ask)
    assert desk.mt5.positions_get() == ()
    deal = desk.deals()[-1]
    assert (deal.reason, deal.comment, deal.magic, deal.price) == (reason, comment, 77, price)
    assert (deal.entry, deal.position_id) == (OUT, opened.order)
    order = desk.history()[deal.order]
    assert (order.reason, order.comment, order.magic, order.state) == (
        reason,
        comment,
        77,
        mt5.ORDER_STATE_FILLED,
    )


def test_a_level_takes_what_there_is_and_the_rest_with_the_next_quote() -> None:
    desk = Desk()
    desk.deal(BUY, 0.3, sl=1.09)
    desk.quote("1.08900", "1.08910", bid_size="0.1")
    assert desk.mt5.positions_get()[0].volume == 0.2
    desk.quote("1.08800", "1.08810")
    assert [(deal.volume, deal.price) for deal in desk.deals()[1:]] == [(0.1, 1.089), (0.2, 1.088)]


def test_what_is_there_decides_and_is_taken() -> None:
    desk = Desk()
    desk.quote("1.10000", "1.10010", ask_size="0.305")
    assert desk.deal(BUY, 0.4, type_filling=mt5.ORDER_FILLING_FOK).retcode == 10006
    sent = desk.deal(BUY, 0.4)
    assert (sent.retcode, sent.volume) == (10010, 0.3)
    order = desk.history()[sent.order]
    assert (order.volume_initial, order.volume_current, order.state) == (0.4, 0.1, mt5.ORDER_STATE_PARTIAL)
    assert desk.deal(BUY, 0.1).retcode == 10006
    assert desk.deal(SELL, 0.1).retcode == 10009
    assert desk.mt5.orders_get() == ()


def test_at_an_exchange_the_rest_of_a_market_order_works_on() -> None:
    desk = Desk(
        symbol={"exemode": mt5.SYMBOL_TRADE_EXECUTION_EXCHANGE, "calc_mode": mt5.SYMBOL_CALC_MODE_EXCH_STOCKS,
                "contract_size": D(1), "volume_min": D(1), "volume_step": D(1), "volume_max": D(1000)},
        margin_mode=EXCHANGE,
    )  # fmt: skip
    desk.quote("1.10000", "1.10010", ask_size=3)
    sent = desk.deal(BUY, 10.0, type_filling=mt5.ORDER_FILLING_RETURN)
    assert (sent.retcode, sent.volume) == (10010, 3.0)
    (order,) = desk.mt5.orders_get()
    assert (order.ticket, order.volume_current, order.state) == (sent.order, 7.0, mt5.ORDER_STATE_PARTIAL)
    assert desk.mt5.positions_get()[0].ticket == order.ticket
    desk.quote("1.10020", "1.10030")
    assert desk.mt5.orders_get() == ()
    assert [deal.volume for deal in desk.deals()] == [3.0, 7.0]
    assert desk.history()[sent.order].state == mt5.ORDER_STATE_FILLED
    desk.quote("1.10020", "1.10030", ask_size=0)
    sent = desk.deal(BUY, 1.0, type_filling=mt5.ORDER_FILLING_RETURN)
    assert (sent.retcode, sent.deal) == (10008, 0)


def test_numbers_of_order_check_are_those_after_the_trade_and_nothing_is_done() -> None:
    desk = Desk(symbol={"commission": D(7)})
    before = desk.does.look()
    found = desk.mt5.order_check(desk.request(type=BUY, volume=1.0))
    assert (found.retcode, found.comment) == (0, "Done")
    assert (found.balance, found.profit, found.equity) == (99993.0, -10.0, 99983.0)
    assert (found.margin, found.margin_free) == (1100.1, 98882.9)
    assert found.margin_level == pytest.approx(9088.537, abs=0.001)
    assert desk.does.look() == before
    desk.deal(BUY, 1.0)
    told = desk.mt5.account_info()
    assert (told.balance, told.equity, told.margin, told.margin_free) == (99993.0, 99983.0, 1100.1, 98882.9)


def test_without_the_money_nothing_is_opened_but_everything_can_be_closed() -> None:
    desk = Desk(balance=D(1000))
    assert desk.mt5.order_check(desk.request(type=BUY, volume=1.0)).retcode == 10019
    sent = desk.deal(BUY, 1.0)
    assert (sent.retcode, sent.comment, sent.order, sent.deal) == (10019, "No money", 0, 0)
    assert desk.deal(BUY, 0.9).retcode == 10009
    assert desk.deal(BUY, 0.1).retcode == 10019
    assert desk.deal(SELL, 0.9).retcode == 10009


def test_margin_and_profit_as_the_terminal_calculates_them() -> None:
    desk = Desk()
    desk.does.symbol("USDJPY", digits=3, base="USD", profit="JPY")
    desk.does.quote("USDJPY", "150.000", "150.010")
    desk.mt5.symbol_select("USDJPY")
    assert desk.mt5.order_calc_margin(BUY, "EURUSD", 1, 1.1) == 1100.0
    assert desk.mt5.order_calc_margin(BUY, "USDJPY", 1, 150.0) == 1000.0
    assert desk.mt5.order_calc_profit(BUY, "EURUSD", 0.1, 1.1, 1.11) == 100.0
    assert desk.mt5.order_calc_profit(SELL, "EURUSD", 0.1, 1.1, 1.11) == -100.0
    assert desk.mt5.order_calc_profit(BUY, "USDJPY", 1, 150.0, 151.5) == 999.93
    for asked in ((2, "EURUSD", 1, 1.1), (BUY, "EURUSD", 0, 1.1)):
        assert desk.mt5.order_calc_margin(*asked) is None
        assert desk.mt5.last_error() == (-2, "Terminal: Invalid params")
    assert desk.mt5.order_calc_margin(BUY, "XAUUSD", 1, 1.1) is None
    assert desk.mt5.last_error() == (-4, "Terminal: Not found")


def test_stop_out_closes_what_loses_most_until_there_is_margin_again() -> None:
    desk = Desk(balance=D(2000))
    desk.does.symbol("GBPUSD", base="GBP")
    desk.does.quote("GBPUSD", "1.30000", "1.30010")
    desk.mt5.symbol_select("GBPUSD")
    desk.deal(BUY, 0.5, magic=5)
    assert desk.deal(BUY, 0.5, symbol="GBPUSD", magic=6).retcode == 10009
    desk.quote("1.07200", "1.07210")
    (left,) = desk.mt5.positions_get()
    assert left.symbol == "GBPUSD"
    deal = desk.deals()[-1]
    assert (deal.reason, deal.magic, deal.entry) == (mt5.DEAL_REASON_SO, 5, OUT)
    assert deal.comment.startswith("[so 4")


def test_times_are_the_server_s_wall_clock() -> None:
    desk = Desk(offset_s=3 * 3600)
    desk.deal(BUY, 0.1)
    wall = NOON + 3 * 3_600_000
    assert desk.mt5.symbol_info_tick("EURUSD").time_msc == wall
    assert desk.deals()[0].time_msc == wall
    assert desk.mt5.positions_get()[0].time_msc == wall
    assert next(iter(desk.history().values())).time_done_msc == wall
    assert desk.mt5.history_deals_get(NOON // 1000 - 60, NOON // 1000 + 60) == ()


def test_a_swap_that_opens_again_changes_the_ticket_and_not_the_identifier() -> None:
    desk = Desk(symbol={"swap_long": D(-10)})
    opened = desk.deal(BUY, 0.1, magic=7)
    desk.does.rollover(reopen=True)
    (one,) = desk.mt5.positions_get()
    assert one.ticket != opened.order == one.identifier
    assert one.swap == 0.0
    out, back = desk.deals()[1:]
    assert {out.reason, back.reason} == {mt5.DEAL_REASON_ROLLOVER}
    assert (out.entry, out.swap, back.entry, back.swap) == (OUT, -1.0, IN, 0.0)
    assert {out.position_id, back.position_id} == {opened.order}
    assert desk.deal(SELL, 0.1, position=opened.order).retcode == 10036
    assert desk.deal(SELL, 0.1, position=one.ticket).retcode == 10009


def test_swaps_come_at_the_end_of_the_server_s_day_three_for_the_weekend_s() -> None:
    desk = Desk(symbol={"swap_short": D(-1), "swap_triple_day": mt5.DAY_OF_WEEK_FRIDAY}, offset_s=3600)
    desk.deal(SELL, 1.0)
    day = 86_400_000
    charged = []
    for at in (NOON + 11 * 3_600_000 - 1, NOON + 11 * 3_600_000, NOON + 3 * day, NOON + 4 * day):
        desk.does.clock(at)
        charged.append(desk.mt5.positions_get()[0].swap)
    assert charged == [0.0, -3.0, -3.0, -4.0]
    desk.does.clock(NOON - 100 * day)  # a replay of other days: nothing is charged for the way back
    desk.does.clock(NOON - 99 * day)
    assert desk.mt5.positions_get()[0].swap == -5.0


def test_money_moves_without_orders() -> None:
    desk = Desk()
    desk.does.money("-250.50", mt5.DEAL_TYPE_CHARGE, "fee")
    (deal,) = desk.deals()
    assert (deal.type, deal.profit, deal.order, deal.symbol, deal.comment) == (4, -250.5, 0, "", "fee")
    assert desk.balance == D("99749.50")


def test_orders_by_hand_have_no_magic_and_another_reason() -> None:
    desk = Desk()
    desk.does.trade(action=1, symbol="EURUSD", volume="0.2", type=BUY, type_filling=1)
    (one,) = desk.mt5.positions_get()
    assert (one.magic, one.reason, one.comment) == (0, mt5.POSITION_REASON_CLIENT, "")
    desk.does.close(one.ticket, "0.05")
    assert desk.mt5.positions_get()[0].volume == 0.15
    assert [deal.reason for deal in desk.deals()] == [0, 0]
    with pytest.raises(LookupError, match="no position has the ticket 3"):
        desk.does.close(3)


def test_terms_change_while_one_looks_away() -> None:
    desk = Desk()
    desk.does.symbol("EURUSD", volume_step="0.1", volume_min="0.1", stops_level=50)
    told = desk.mt5.symbol_info("EURUSD")
    assert (told.volume_step, told.volume_min, told.trade_stops_level, told.bid) == (0.1, 0.1, 50, 1.1)
    assert desk.deal(BUY, 0.15).retcode == 10014
    desk.does.set(leverage=50, stop_out="30", trade_expert=False)
    assert desk.mt5.account_info().leverage == 50
    assert desk.deal(BUY, 0.1).retcode == 10026
    with pytest.raises(ValueError, match="positions: expected one of"):
        desk.does.set(positions={})


def test_steering_and_control_have_the_same_methods() -> None:
    from ordergate.testing.metatrader5 import Control

    def of(kind: type) -> set[str]:
        return {name for name in vars(kind) if name[0] != "_"}

    assert of(Control) == of(Steering)
    assert Symbol(name="X").point == D("0.00001")
