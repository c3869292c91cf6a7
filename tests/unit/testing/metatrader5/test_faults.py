"""Each fault does what it says: what the caller hears, and what the broker has."""

import pytest

from ordergate.testing.metatrader5 import Fault, Hung
from ordergate.testing.metatrader5 import constants as mt5

from .desk import BUY, HEDGING, NOON, SELL, Desk


@pytest.mark.parametrize(
    ("code", "text"),
    [(-1, "Terminal: Call failed"), (-10000, "IPC call failed"), (-10001, "IPC send failed"),
     (-10002, "IPC recv failed"), (-10005, "IPC timeout")],
)  # fmt: skip
def test_a_call_fails_after_or_before_it_was_done(code: int, text: str) -> None:
    desk = Desk()
    desk.does.inject(Fault.NONE_AFTER, code, times=1)
    assert desk.deal(BUY, 0.1) is None
    assert desk.mt5.last_error() == (code, text)
    assert len(desk.deals()) == len(desk.state.sent) == 1
    desk.does.inject(Fault.NONE_BEFORE, code, times=1)
    assert desk.deal(BUY, 0.1) is None
    assert desk.mt5.last_error() == (code, text)
    assert len(desk.deals()) == len(desk.state.sent) == 1
    assert desk.deal(BUY, 0.1).retcode == 10009


@pytest.mark.parametrize("retcode", [10011, 10012, 10028, 10031])
def test_a_return_code_may_hide_an_execution(retcode: int) -> None:
    desk = Desk()
    desk.does.inject(Fault.RETCODE_AFTER, retcode, times=1)
    sent = desk.deal(BUY, 0.1)
    assert (sent.retcode, sent.order, sent.deal) == (retcode, 0, 0)
    assert len(desk.mt5.positions_get()) == 1


@pytest.mark.parametrize("retcode", [10004, 10006, 10018, 10019, 10021, 10024, 12345])
def test_a_refusal_of_any_code(retcode: int) -> None:
    desk = Desk()
    desk.does.inject(Fault.REJECT, retcode, times=1)
    sent = desk.deal(BUY, 0.1)
    assert (sent.retcode, sent.order, sent.bid, sent.ask) == (retcode, 0, 1.1, 1.1001)
    assert desk.state.sent == []
    assert desk.mt5.order_check(desk.request(volume=0.1)).retcode == 0
    desk.does.inject(Fault.CHECK, 10019, times=1)
    assert desk.mt5.order_check(desk.request(volume=0.1)).comment == "No money"
    assert desk.mt5.order_check(desk.request(volume=0.1)).retcode == 0


def test_deals_come_later_than_the_answer() -> None:
    desk = Desk()
    desk.does.inject(Fault.LATE, {"after_ms": 500}, times=1)
    sent = desk.deal(BUY, 0.1, magic=3)
    assert (sent.retcode, sent.deal, sent.volume, sent.price) == (10008, 0, 0.0, 0.0)
    (order,) = desk.mt5.orders_get()
    assert (order.ticket, order.state, order.type, order.magic) == (
        sent.order,
        mt5.ORDER_STATE_PLACED,
        BUY,
        3,
    )
    desk.does.advance(499)
    assert desk.deals() == ()
    desk.does.advance(1)
    assert desk.deals()[0].order == sent.order
    assert desk.mt5.orders_get() == ()
    desk.does.inject(Fault.LATE, {"after_ms": None, "retcode": 10009}, times=1)
    sent = desk.deal(SELL, 0.1)
    assert (sent.retcode, sent.deal) == (10009, 0)
    desk.does.advance(10**7)
    assert desk.mt5.orders_total() == 1
    desk.does.release()
    assert desk.deals()[-1].order == sent.order


def test_a_late_closing_stands_in_the_way_of_another_and_ends_with_its_position() -> None:
    desk = Desk(margin_mode=HEDGING)
    opened = desk.deal(BUY, 0.2)
    desk.does.inject(Fault.LATE, {"after_ms": None}, times=1)
    late = desk.deal(SELL, 0.2, position=opened.order)
    assert desk.deal(SELL, 0.1, position=opened.order).retcode == 10039
    desk.state.orders.clear()
    desk.does.inject(Fault.LATE, {"after_ms": None}, times=1)
    late = desk.deal(SELL, 0.2, position=opened.order)
    desk.does.set(stop_out="10000000")
    desk.quote("1.10000", "1.10010")
    assert desk.mt5.positions_total() == 0
    desk.does.release()
    assert desk.history()[late.order].state == mt5.ORDER_STATE_REJECTED
    assert len(desk.deals()) == 2


def test_a_late_order_may_still_be_canceled() -> None:
    desk = Desk()
    desk.does.inject(Fault.LATE, {"after_ms": None}, times=1)
    sent = desk.deal(BUY, 0.1)
    assert desk.mt5.order_send({"action": mt5.TRADE_ACTION_REMOVE, "order": sent.order}).retcode == 10009
    desk.does.release()
    assert desk.deals() == ()


@pytest.mark.parametrize(
    ("how", "stored"), [({"cut": 4}, "comm"), ({"text": ""}, ""), ({"text": "broker says"}, "broker says")]
)
def test_what_the_server_makes_of_a_comment(how: dict[str, object], stored: str) -> None:
    desk = Desk()
    desk.does.inject(Fault.COMMENT, how)
    sent = desk.deal(BUY, 0.1, comment="comment", magic=5)
    assert sent.request.comment == "comment"
    told = [desk.deals()[0], desk.mt5.positions_get()[0], desk.history()[sent.order]]
    assert [(one.comment, one.magic) for one in told] == [(stored, 5)] * 3


def test_history_lags_behind() -> None:
    desk = Desk()
    desk.does.inject(Fault.HISTORY_LAG, 2)
    desk.deal(BUY, 0.1)
    assert desk.mt5.positions_total() == 1
    assert (desk.deals(), desk.history(), desk.mt5.orders_get()) == ((), {}, ())
    desk.does.advance(1999)
    assert desk.deals() == ()
    desk.does.advance(1)
    assert len(desk.deals()) == len(desk.history()) == 1


def test_incomplete_history_is_an_error() -> None:
    desk = Desk()
    desk.does.inject(Fault.FAIL, -10002, times=1, calls=["history_deals_get", "history_orders_get"])
    assert desk.mt5.history_deals_get(0, 1) is None
    assert desk.mt5.last_error() == (-10002, "IPC recv failed")
    assert desk.mt5.history_orders_get(0, 1) == ()


def test_a_terminal_without_a_server_shows_what_it_last_saw_and_sends_nothing() -> None:
    desk = Desk()
    desk.deal(BUY, 0.1, sl=1.09)
    desk.does.inject(Fault.DISCONNECTED)
    desk.quote("1.08000", "1.08010")
    assert desk.state.positions == {}
    assert desk.mt5.terminal_info().connected is False
    assert desk.mt5.positions_total() == 1
    assert len(desk.deals()) == 1
    assert desk.mt5.symbol_info_tick("EURUSD").bid == 1.1
    sent = desk.deal(BUY, 0.1)
    assert (sent.retcode, sent.comment) == (10031, "No connection")
    assert len(desk.state.sent) == 1
    assert desk.mt5.order_check(desk.request(volume=0.1)).retcode == 0
    desk.does.clear(Fault.DISCONNECTED)
    assert desk.mt5.positions_total() == 0
    assert desk.mt5.terminal_info().connected is True


@pytest.mark.parametrize(("fault", "retcode"), [(Fault.CLIENT_OFF, 10027), (Fault.SERVER_OFF, 10026)])
def test_switches_that_forbid_trading(fault: Fault, retcode: int) -> None:
    desk = Desk()
    desk.does.inject(fault)
    assert desk.deal(BUY, 0.1).retcode == retcode
    assert desk.mt5.terminal_info().trade_allowed is (fault != Fault.CLIENT_OFF)
    assert desk.mt5.account_info().trade_expert is (fault != Fault.SERVER_OFF)
    assert desk.state.sent == []


def test_no_trading_through_python() -> None:
    desk = Desk()
    desk.does.inject(Fault.API_OFF)
    assert desk.mt5.terminal_info().tradeapi_disabled is True
    assert desk.deal(BUY, 0.1) is None
    assert desk.mt5.last_error() == (-8, "Auto-Trading using Python API disabled in Terminal")
    assert desk.state.sent == []


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("fault", [Fault.CUT, Fault.DIE, Fault.GARBLED, Fault.HANG])
def test_what_happens_to_an_answer_on_the_way(fault: Fault, when: str) -> None:
    desk = Desk()
    desk.does.inject(fault, times=1, when=when)
    if fault is Fault.HANG:
        with pytest.raises(Hung):
            desk.deal(BUY, 0.1)
    else:
        assert desk.deal(BUY, 0.1) is None
        assert desk.mt5.last_error()[0] == (-10000 if fault is Fault.GARBLED else -10002)
    broken = fault in (Fault.CUT, Fault.DIE)
    assert desk.mt5.positions_total() == (None if broken else int(when == "after"))
    assert len(desk.state.positions) == int(when == "after")


def test_faults_of_other_calls_and_of_any() -> None:
    desk = Desk()
    desk.does.inject(Fault.GARBLED, times=2, calls=["positions_get"])
    assert desk.mt5.orders_get() == ()
    assert desk.mt5.positions_get() is None
    desk.does.inject(Fault.GARBLED, times=1, calls=[])
    assert desk.mt5.account_info() is None
    assert desk.mt5.account_info() is not None


def test_every_request_that_arrived_is_kept_with_what_became_of_it() -> None:
    desk = Desk()
    sent = desk.deal(BUY, 0.1, comment="a")
    desk.deal(BUY, 0.001, comment="b")
    kept = desk.does.look()["sent"]
    assert [(one["comment"], one["retcode"], one.get("ticket")) for one in kept] == [
        ("a", 10009, sent.order), ("b", 10014, None),
    ]  # fmt: skip
    assert kept[0]["time_msc"] == NOON
