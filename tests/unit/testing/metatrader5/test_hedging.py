"""Several positions a symbol: each has its own ticket and is closed by it, or by one of the other direction."""

from decimal import Decimal

from ordergate.testing.metatrader5 import constants as mt5

from .desk import BUY, HEDGING, SELL, Desk

D = Decimal


def test_every_deal_without_a_position_opens_one() -> None:
    desk = Desk(margin_mode=HEDGING)
    tickets = [desk.deal(BUY, 0.1).order, desk.deal(SELL, 0.2).order, desk.deal(BUY, 0.3).order]
    assert [(one.ticket, one.volume, one.type) for one in desk.mt5.positions_get()] == [
        (tickets[0], 0.1, 0), (tickets[1], 0.2, 1), (tickets[2], 0.3, 0),
    ]  # fmt: skip
    assert {deal.entry for deal in desk.deals()} == {mt5.DEAL_ENTRY_IN}


def test_a_position_is_closed_by_its_ticket_in_parts() -> None:
    desk = Desk(margin_mode=HEDGING)
    opened = desk.deal(BUY, 0.3, magic=4)
    assert desk.deal(SELL, 0.4, position=opened.order).retcode == 10038
    assert desk.deal(BUY, 0.1, position=opened.order).retcode == 10013
    assert desk.deal(SELL, 0.1, position=999).retcode == 10036
    assert desk.deal(SELL, 0.1, position=opened.order, magic=5, sl=1.0, tp=1.2).retcode == 10009
    assert desk.mt5.positions_get()[0].volume == 0.2
    closing = desk.deal(SELL, 0.2, position=opened.order)
    assert desk.mt5.positions_get() == ()
    assert desk.deal(SELL, 0.2, position=opened.order).retcode == 10036
    assert {deal.position_id for deal in desk.deals()} == {opened.order}
    assert desk.history()[closing.order].position_id == opened.order
    assert [deal.magic for deal in desk.deals()] == [4, 5, 0]


def test_fifo_closes_the_oldest_first() -> None:
    desk = Desk(margin_mode=HEDGING, fifo_close=True)
    first, second = desk.deal(BUY, 0.1), desk.deal(BUY, 0.1)
    assert desk.deal(SELL, 0.1, position=second.order).retcode == 10045
    assert desk.deal(SELL, 0.1, position=first.order).retcode == 10009
    assert desk.deal(SELL, 0.1, position=second.order).retcode == 10009
    assert desk.mt5.account_info().fifo_close is True


def test_two_positions_close_each_other() -> None:
    desk = Desk(margin_mode=HEDGING, symbol={"swap_long": D(-10)})
    one = desk.deal(BUY, 0.3)
    desk.quote("1.10200", "1.10210")
    other = desk.deal(SELL, 0.1)
    desk.does.rollover()
    sent = desk.mt5.order_send(
        {"action": mt5.TRADE_ACTION_CLOSE_BY, "position": one.order, "position_by": other.order, "magic": 3}
    )
    assert sent.retcode == 10009
    (left,) = desk.mt5.positions_get()
    assert (left.ticket, left.volume, left.swap) == (one.order, 0.2, -2.0)
    first, second = desk.deals()[-2:]
    assert first.entry == second.entry == mt5.DEAL_ENTRY_OUT_BY
    assert (first.position_id, first.volume, first.profit, first.swap) == (one.order, 0.1, 19.0, -1.0)
    assert (second.position_id, second.profit, second.magic) == (other.order, 0.0, 3)
    order = desk.history()[sent.order]
    assert (order.type, order.position_id, order.position_by_id) == (8, one.order, other.order)


def test_what_can_not_close_each_other() -> None:
    desk = Desk(margin_mode=HEDGING)
    one, same = desk.deal(BUY, 0.1), desk.deal(BUY, 0.1)

    def close(position: int, by: int) -> int:
        asked = {"action": mt5.TRADE_ACTION_CLOSE_BY, "position": position, "position_by": by}
        return int(desk.mt5.order_send(asked).retcode)

    assert close(one.order, same.order) == 10013
    assert close(one.order, 5) == 10036
    other = desk.deal(SELL, 0.1)
    desk.does.symbol("EURUSD", order_mode=63)
    assert close(one.order, other.order) == 10035
    desk.does.symbol("EURUSD", order_mode=127)
    assert close(one.order, other.order) == 10009
    netting = Desk()
    assert (
        netting.mt5.order_send({"action": mt5.TRADE_ACTION_CLOSE_BY, "position": 1, "position_by": 2}).retcode
        == 10013
    )


def test_hedged_volume_asks_for_the_hedged_margin_alone() -> None:
    desk = Desk(margin_mode=HEDGING, symbol={"margin_hedged": D(50_000)})
    desk.deal(BUY, 1.0)
    desk.deal(SELL, 1.0)
    assert desk.mt5.account_info().margin == 550.03
    desk.deal(BUY, 0.5)
    assert 1095 < desk.mt5.account_info().margin < 1105


def test_levels_of_each_position_are_its_own() -> None:
    desk = Desk(margin_mode=HEDGING)
    one, other = desk.deal(BUY, 0.1, sl=1.09, magic=1), desk.deal(BUY, 0.1, sl=1.08, magic=2)
    desk.quote("1.08500", "1.08510")
    assert [left.ticket for left in desk.mt5.positions_get()] == [other.order]
    assert desk.deals()[-1].position_id == one.order
    assert desk.deals()[-1].magic == 1


def test_a_pending_order_opens_one_position_however_many_parts_it_is_filled_in() -> None:
    desk = Desk(margin_mode=HEDGING)
    desk.deal(SELL, 0.1)
    sent = desk.pending(mt5.ORDER_TYPE_BUY_LIMIT, 0.3, 1.09, sl=1.08)
    desk.quote("1.08980", "1.08990", ask_size="0.1")
    (order,) = desk.mt5.orders_get()
    assert (order.ticket, order.state, order.volume_current) == (sent.order, mt5.ORDER_STATE_PARTIAL, 0.2)
    desk.quote("1.08970", "1.08980")
    assert [(one.ticket, one.volume, one.sl) for one in desk.mt5.positions_get()][1:] == [
        (sent.order, 0.3, 1.08)
    ]
    assert [deal.position_id for deal in desk.deals()][1:] == [sent.order, sent.order]
