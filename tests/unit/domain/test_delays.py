"""When something takes too long of an order, and what is to be done then: by hand, each rule once."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.domain.delays import MOST_TIMES, Due, Times, WorkerTerms, next_due, repriced
from ordergate.domain.instruments import built_in
from ordergate.domain.market import Quote
from ordergate.domain.orders.order import Order, Overdue, Request
from ordergate.domain.orders.states import (
    TERMINAL,
    Delay,
    Mark,
    OrderType,
    Phase,
    Remedy,
    RequestKind,
    Side,
    State,
    TimeInForce,
)

D = Decimal
NOON = datetime(2026, 3, 2, 17, tzinfo=UTC)
CLOSE = datetime(2026, 3, 2, 21, tzinfo=UTC)
UNFILLED = WorkerTerms(unfilled_after_s=30)
TIMES = Times(over_at=None, emulated=False, traded_since=NOON, attended_since=NOON)


def after(seconds: float, at: datetime = NOON) -> datetime:
    return at + timedelta(seconds=seconds)


def order(state: State = State.SUBMITTED, **more: Any) -> Order:
    fields: dict[str, Any] = {
        "order_id": "o", "fund_id": "f", "symbol": "AAPL", "side": Side.BUY, "quantity": D(100),
        "order_type": OrderType.LIMIT, "tif": TimeInForce.GTC, "broker": "paper", "limit_price": D(100),
        "created_at": NOON, "updated_at": NOON, "submitted_at": NOON,
    }  # fmt: skip
    return Order(state=state, **(fields | more))


def request(kind: RequestKind, sent_at: datetime | None = NOON) -> Request:
    return Request(number=1, kind=kind, client_id="o.1", phase=Phase.SENT, sent_at=sent_at)


class TestUnfilled:
    @pytest.mark.parametrize("remedy", Remedy)
    def test_it_is_due_so_long_after_it_could_trade(self, remedy: Remedy) -> None:
        terms = WorkerTerms(unfilled_after_s=30, retry_unfilled=remedy)
        assert next_due(order(), TIMES, terms) == Due(after(30), NOON, remedy, Delay.UNFILLED)
        assert next_due(order(State.PARTIALLY_FILLED), TIMES, terms) is not None

    def test_by_default_nobody_looks(self) -> None:
        assert next_due(order(), TIMES, WorkerTerms()) is None

    @pytest.mark.parametrize("state", [*sorted(TERMINAL), State.FILLED, State.CREATED, State.ACCEPTED])
    def test_it_is_about_what_works(self, state: State) -> None:
        assert next_due(order(state), TIMES, UNFILLED) is None

    @pytest.mark.parametrize("change", [
        {"tif": TimeInForce.IOC}, {"tif": TimeInForce.FOK}, {"tif": TimeInForce.OPG},
        {"order_type": OrderType.STOP_LIMIT, "stop_price": D(101)},
        {"marks": (Mark.SUSPENDED,)}, {"marks": (Mark.DONE_FOR_DAY,)},
        {"requests": (request(RequestKind.REPLACE),)}, {"requests": (request(RequestKind.CANCEL),)},
    ])  # fmt: skip
    def test_what_cannot_trade_now_is_not_late(self, change: dict[str, Any]) -> None:
        assert next_due(order(**change), TIMES, UNFILLED) is None

    def test_a_triggered_stop_should_trade(self) -> None:
        stop = order(order_type=OrderType.STOP_LIMIT, stop_price=D(101), marks=(Mark.TRIGGERED,))
        assert next_due(stop, TIMES, UNFILLED) is not None

    def test_told_once_done_again(self) -> None:
        noticed = order(overdue=(Overdue(Delay.UNFILLED, after(30)),))
        assert next_due(noticed, TIMES, UNFILLED) is None
        again = next_due(noticed, TIMES, WorkerTerms(unfilled_after_s=30, retry_unfilled=Remedy.REPRICE))
        assert again == Due(after(60), NOON, Remedy.REPRICE, Delay.UNFILLED)

    @pytest.mark.parametrize(("times", "goes_on"), [(MOST_TIMES - 1, True), (MOST_TIMES, False)])
    def test_it_is_not_done_for_ever(self, times: int, goes_on: bool) -> None:
        noticed = order(overdue=(Overdue(Delay.UNFILLED, after(30), times),))
        terms = WorkerTerms(unfilled_after_s=30, retry_unfilled=Remedy.REPRICE)
        assert (next_due(noticed, TIMES, terms) is not None) is goes_on


class TestFailover:
    def test_no_wait_counts_while_nobody_looked_after_it(self) -> None:
        waits = order(
            State.ACCEPTED, route=("paper", "backup"), requests=(request(RequestKind.SUBMIT, None),)
        )
        assert next_due(waits, TIMES, WorkerTerms()) == Due(after(30), NOON, Remedy.ALERT, reroutes=True)
        since = replace(TIMES, attended_since=after(3_600))
        assert next_due(waits, since, WorkerTerms()) == Due(
            after(3_630), after(3_600), Remedy.ALERT, reroutes=True
        )


class TestTime:
    OVER = Times(over_at=CLOSE, emulated=False, traded_since=NOON, attended_since=NOON)
    EMULATED = Times(over_at=CLOSE, emulated=True, traded_since=NOON, attended_since=NOON)

    @pytest.mark.parametrize("state", [State.PENDING_RISK, State.ACCEPTED])
    def test_what_never_left_is_ended_at_the_instant(self, state: State) -> None:
        due = next_due(order(state), self.OVER, WorkerTerms())
        assert due == Due(CLOSE, CLOSE, Remedy.CANCEL)
        assert due.why is None

    def test_a_broker_that_ends_it_has_a_while_to_say_so(self) -> None:
        due = next_due(order(), self.OVER, WorkerTerms(stale_after_s=10))
        assert due == Due(after(10, CLOSE), CLOSE, Remedy.ALERT, Delay.PAST_TIME)
        due = next_due(order(), self.OVER, WorkerTerms(stale_order_cleanup="cancel"))
        assert due == Due(after(60, CLOSE), CLOSE, Remedy.CANCEL, Delay.PAST_TIME)

    def test_a_broker_that_does_not_is_asked_for_a_cancel_at_the_instant(self) -> None:
        due = next_due(order(), self.EMULATED, WorkerTerms())
        assert due == Due(CLOSE, CLOSE, Remedy.CANCEL, Delay.TIME_OVER)

    def test_a_cancel_that_was_refused_is_asked_for_again_and_told(self) -> None:
        asked = order(overdue=(Overdue(Delay.TIME_OVER, CLOSE),))
        assert next_due(asked, self.EMULATED, WorkerTerms()) in (
            Due(after(60, CLOSE), CLOSE, Remedy.CANCEL, Delay.TIME_OVER),
            Due(after(60, CLOSE), CLOSE, Remedy.ALERT, Delay.PAST_TIME),
        )
        told = replace(asked, overdue=(*asked.overdue, Overdue(Delay.PAST_TIME, after(60, CLOSE))))
        assert next_due(told, self.EMULATED, WorkerTerms()).why is Delay.TIME_OVER

    def test_while_a_cancel_is_under_way_nothing_more_is_asked(self) -> None:
        asked = order(
            overdue=(Overdue(Delay.TIME_OVER, CLOSE), Overdue(Delay.PAST_TIME, after(60, CLOSE))),
            requests=(request(RequestKind.CANCEL),),
        )
        assert next_due(asked, self.EMULATED, WorkerTerms()) is None

    def test_the_end_of_time_is_no_mistake(self) -> None:
        last = datetime.max.replace(tzinfo=UTC)
        times = Times(over_at=last, emulated=True, traded_since=NOON, attended_since=NOON)
        told = order(overdue=(Overdue(Delay.TIME_OVER, last),))
        assert next_due(told, times, WorkerTerms(stale_after_s=31_536_000)).at == last


class TestUnanswered:
    def test_a_submit_without_answer(self) -> None:
        silent = order(requests=(request(RequestKind.SUBMIT, after(5)),))
        due = next_due(silent, TIMES, WorkerTerms())
        assert due == Due(after(65), after(5), Remedy.ALERT, Delay.UNANSWERED)

    def test_one_that_was_not_sent_has_no_answer_to_wait_for(self) -> None:
        assert next_due(order(requests=(request(RequestKind.SUBMIT, None),)), TIMES, WorkerTerms()) is None


@pytest.mark.parametrize(("change", "bid", "ask", "price"), [
    ({}, "100.5", "101", "101"),
    ({"side": Side.SELL, "limit_price": D(102)}, "100.5", "101", "100.5"),
    ({}, "100.5", "101.001", "101.01"),  # a tick that trades
    ({"side": Side.SELL, "limit_price": D(102)}, "100.509", "101", "100.5"),
    ({}, "99", "100", None),  # it is there already
    ({}, "98", "99", None),  # it would trade anyway, at a better price
    ({"order_type": OrderType.MARKET, "limit_price": None}, "100", "101", None),
    # 100.4 is 40 bps from the mid at its arrival, 100; the market has gone further.
    ({"max_slippage_bps": D(40), "arrival_bid": D(99), "arrival_ask": D(101)}, "101", "102", "100.4"),
    ({"max_slippage_bps": D(40), "arrival_bid": D(99), "arrival_ask": D(101), "limit_price": D("100.4")},
     "101", "102", None),
])  # fmt: skip
def test_a_reprice_goes_to_the_other_side_and_not_beyond_the_bound(change, bid, ask, price) -> None:
    instrument = built_in("AAPL")
    assert instrument is not None
    quote = Quote("AAPL", NOON, D(bid), D(ask))
    assert repriced(order(**change), quote, instrument) == (None if price is None else D(price))
