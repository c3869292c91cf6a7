"""Closes beside protective stops: once a stop has traded, they close no more than is left, where more may not be opened."""

from decimal import Decimal
from typing import Any

import pytest

from ordergate.application.decide.closing import NOT_CUT
from ordergate.domain.contingencies.events import CloseCut
from ordergate.domain.contingencies.protection import will_close
from ordergate.domain.orders.commands import CancelOrder
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.reports import End
from ordergate.domain.orders.states import RequestKind, Side, State
from ordergate.domain.risk.commands import AskOverride, GrantOverride, ThrowSwitch
from ordergate.domain.risk.kill_switch import Mode
from ordergate.domain.risk.limits import Level, Limits
from ordergate.testing.playbook import ack, ended, fill, refused
from tests.unit.domain.contingencies.guarded import Guarded
from tests.unit.domain.risk.limited import stated

NO_SHORTS = stated(enable_shorting=False)


def close(book: Guarded, quantity: int = 100, **more: Any) -> Order:
    """A limit order above the market that closes so much."""
    fields = {"side": Side.SELL, "limit": 110} | more
    book.order_of(quantity, **fields)
    assert book.code is None
    return book.order


def now(book: Guarded, order: Order) -> Order:
    return book.engine.state.orders.rows[order.order_id]


def sizes(book: Guarded, *orders: Order) -> list[int]:
    """What each may still fill, once all that was asked for is done."""
    return [int(will_close(now(book, order))) for order in orders]


def told(book: Guarded) -> list[tuple[int, int | None, str]]:
    """What was said of closes: too much, what is kept, the code."""
    cuts = [entry.event for entry in book.entries if isinstance(entry.event, CloseCut)]
    return [(int(cut.quantity), None if cut.keep is None else int(cut.keep), cut.code) for cut in cuts]


def stopped(book: Guarded, quantity: int = 100) -> Guarded:
    """The oldest stop that works trades so much."""
    stop = next(stop for stop in book.stops if will_close(stop))
    return book.told(
        stop, fill(f"s{len(book.entries)}", quantity, 94, completes=quantity == stop.leaves_quantity)
    )


@pytest.mark.parametrize(("levels"), [
    {"limits": NO_SHORTS},
    {"firm": NO_SHORTS},
    {"symbol": NO_SHORTS},
    {"limits": stated(max_position_qty=50)},
    {"strategy": stated(max_position_qty=50)},
])  # fmt: skip
def test_a_stop_that_trades_cancels_the_close_that_would_open_the_other_side(levels: Any) -> None:
    book = Guarded().entered(100)
    order = close(book)
    for level, limits in levels.items():
        book.limits(limits, Level.FUND if level == "limits" else Level(level))
    stopped(book)
    assert (book.position, sizes(book, order)) == (0, [0])
    ((too_much, keep, code),) = told(book)
    assert (too_much, keep) == (100, 0)
    assert code in ("RISK_SHORTING", "RISK_POSITION")
    assert [type(event).__name__ for event in book.events] == ["OrderFilled", "RequestOpened", "CloseCut"]
    book.told(order, ended(End.CANCELED))
    assert now(book, order).state is State.CANCELED


def test_where_the_fund_may_be_short_the_close_stays() -> None:
    book = Guarded().entered(100)
    order = close(book)
    stopped(book)
    assert (sizes(book, order), told(book)) == ([100], [])


def test_what_is_still_held_may_be_closed() -> None:
    book = Guarded(NO_SHORTS).entered(60)
    book.entered(40)
    order = close(book)
    stopped(book, 60)
    assert (book.position, sizes(book, order), told(book)) == (40, [40], [(60, 40, "RISK_SHORTING")])
    assert now(book, order).open_request(RequestKind.REPLACE) is not None
    assert book.sizes == [40]


def test_the_newest_goes_first_and_each_keeps_what_it_can() -> None:
    book = Guarded(NO_SHORTS).entered(100)
    older, newer = close(book, 50), close(book, 50, limit=111)
    stopped(book, 30)
    assert sizes(book, older, newer) == [50, 20]
    stopped(book, 40)
    assert sizes(book, older, newer) == [30, 0]
    assert [cut[:2] for cut in told(book)] == [(30, 20), (20, 0), (20, 30)]


def test_every_part_of_the_stop_cuts_as_much() -> None:
    book = Guarded(NO_SHORTS).entered(100)
    order = close(book, 80)
    for part, left in ((10, 80), (10, 80), (30, 50), (50, 0)):
        stopped(book, part)
        assert sizes(book, order) == [left]


def test_a_short_that_may_not_become_long() -> None:
    book = Guarded().entered(100, "short")
    order = close(book, side=Side.COVER, limit=90)
    book.limits(stated(max_position_qty=20))
    stopped(book)
    assert (book.position, sizes(book, order)) == (0, [0])


def test_a_halt_that_lets_only_reduce_lets_none_open() -> None:
    book = Guarded().entered(100)
    order = close(book)
    book.by("ann", ThrowSwitch(level=Level.FUND, name="fund", reason="drill", mode=Mode.REDUCE_ONLY))
    assert sizes(book, order) == [100]
    stopped(book)
    assert (sizes(book, order), told(book)) == ([0], [(100, 0, "RISK_REDUCE_ONLY")])


def test_what_has_not_left_is_canceled_at_once_with_the_reason() -> None:
    book = Guarded(stated(enable_shorting=False, approve_above_usd=20_000)).entered(100)
    book.limits(stated(enable_shorting=False, approve_above_usd=1_000))
    order = close(book)
    assert order.state is State.PENDING_RISK
    stopped(book, 40)
    assert now(book, order).state is State.CANCELED
    assert "does not allow shorting" in (now(book, order).reason or "")


def test_at_a_broker_that_does_not_change_orders_it_is_canceled() -> None:
    book = Guarded(NO_SHORTS).entered(100)
    order = close(book)
    book.engine.view.replaces = lambda _broker: False
    stopped(book, 40)
    assert (sizes(book, order), told(book)) == ([0], [(40, 0, "RISK_SHORTING")])


def test_a_replace_that_is_refused_becomes_a_cancel_and_a_refused_cancel_is_told() -> None:
    book = Guarded(NO_SHORTS).entered(100)
    order = close(book)
    stopped(book, 40)
    book.told(order, refused(), request=2)
    assert (sizes(book, order), now(book, order).open_request(RequestKind.CANCEL) is not None) == ([0], True)
    book.told(order, refused(), request=3)
    assert told(book)[-1] == (40, None, NOT_CUT)


def test_a_cancel_of_somebody_that_is_refused_says_nothing_where_no_harm_is() -> None:
    book = Guarded(NO_SHORTS).entered(100)
    order = close(book)
    book.step(CancelOrder(order_id=order.order_id))
    book.told(order, refused(), request=2)
    assert told(book) == []


@pytest.mark.parametrize("halted", [False, True])
def test_what_was_not_cut_for_a_stop_is_not_told_of(halted: bool) -> None:
    book = Guarded()
    order = close(book, side=Side.SHORT)
    if halted:
        book.by("ann", ThrowSwitch(level=Level.FUND, name="fund", reason="drill"))
    else:
        book.limits(NO_SHORTS).step(CancelOrder(order_id=order.order_id))
    book.told(order, refused(), request=2)
    assert (told(book), now(book, order).open_request(RequestKind.CANCEL)) == ([], None)


def test_what_two_have_let_through_stays() -> None:
    book = Guarded(NO_SHORTS).entered(100)
    book.order_of(150, side=Side.SELL, limit=110)
    asked = book.order_id
    book.by("ann", AskOverride(order_id=asked, reason="a hedge"))
    book.by("bob", GrantOverride(order_id=asked))
    made = book.answer.order
    book.told(made, ack("B-made"))
    stopped(book)
    assert (sizes(book, made), told(book)) == ([150], [])


def test_sums_are_as_they_were_after_the_look() -> None:
    book = Guarded(Limits()).entered(100)
    close(book)
    stopped(book)
    kept = book.engine.state.exposures.sums("fund")
    assert kept == book.replayed().exposures.sums("fund")
    assert {total.down for total in kept.values()} == {Decimal(-11_000)}
