"""Overrides (RSK-19): one refused order goes on once, past that check alone, where another principal grants it in time."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.domain.errors import Code, Conflict, Invalid, NotFound
from ordergate.domain.orders.commands import Configure
from ordergate.domain.orders.decision import RiskCode
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import State
from ordergate.domain.risk.commands import AskOverride, GrantOverride, ThrowSwitch, TurnDownOverride
from ordergate.domain.risk.kill_switch import Mode
from ordergate.domain.risk.limits import Level, Limits
from ordergate.domain.risk.override import NEVER_WAIVED, Override
from tests.unit.domain.risk.limited import FUND, Limited, stated

TEN = stated(max_order_qty=10)


def refused(limits: Limits = TEN, quantity: int = 11, **terms: Any) -> Limited:
    book = Limited(limits).order_of(quantity, **terms)
    assert book.order.state is State.REJECTED
    return book


def asked(book: Limited, who: str = "trader", order_id: str | None = None, **more: Any) -> Limited:
    command = AskOverride(order_id=order_id or book.order_id, reason="a hedge", **more)
    return book.by(who, command)


def answered(
    book: Limited, who: str = "officer", order_id: str | None = None, *, approved: bool = True
) -> Limited:
    command = (GrantOverride if approved else TurnDownOverride)(
        order_id=order_id or book.order_id, reason="seen"
    )
    return book.by(who, command)


def override(book: Limited) -> Override:
    return book.engine.state.overrides.rows[book.order_id]


def made(book: Limited) -> Order:
    order_id = override(book).made
    assert order_id is not None
    return book.engine.state.orders.rows[order_id]


def test_another_grants_it_and_it_is_sent() -> None:
    book = answered(asked(refused(limit=99)))
    order, before = made(book), book.order
    assert (order.state, order.retry_of, order.order_id) == (
        State.SUBMITTED,
        before.order_id,
        override(book).made,
    )
    same = (
        "fund_id",
        "symbol",
        "side",
        "quantity",
        "limit_price",
        "order_type",
        "tif",
        "strategy_id",
        "broker",
    )
    assert [getattr(order, name) for name in same] == [getattr(before, name) for name in same]
    assert (before.state, before.reason_code) == (State.REJECTED, RiskCode.ORDER_QTY)


def test_the_journal_says_who_asked_who_granted_and_what_was_waived() -> None:
    book = asked(refused())
    (event,) = book.events
    assert (event.order_id, event.override.asked_by, event.override.codes) == (
        book.order_id, "trader", (RiskCode.ORDER_QTY,),
    )  # fmt: skip
    answered(book)
    said, entered = book.events
    assert (said.order_id, said.by, said.approved, said.reason, said.made) == (
        book.order_id, "officer", True, "seen", entered.order_id,
    )  # fmt: skip
    assert entered.decision.waived == (RiskCode.ORDER_QTY,)
    assert (override(book).answered_by, override(book).answer, override(book).approved) == (
        "officer",
        "seen",
        True,
    )


def test_who_asks_does_not_grant_but_may_take_it_back() -> None:
    book = asked(refused())
    with pytest.raises(Conflict) as error:
        answered(book, "trader")
    assert error.value.code is Code.SAME_PRINCIPAL
    answered(book, "trader", approved=False)
    assert (override(book).approved, override(book).made) == (False, None)


def test_it_is_good_once() -> None:
    book = answered(asked(refused()))
    count = len(book.entries)
    for again in (answered, asked):
        with pytest.raises(Conflict):
            again(book)
    assert len(book.entries) == count
    book.order_of(11)
    assert book.code == RiskCode.ORDER_QTY


def test_it_runs_out() -> None:
    book = asked(refused())
    book.later(3_599.999)
    before = override(book)
    assert before.is_open(book.now)
    book.later(0.001)
    with pytest.raises(Conflict) as error:
        answered(book)
    assert error.value.code is Code.OVERRIDE_OVER
    answered(asked(book))
    assert made(book).state is State.SUBMITTED


@pytest.mark.parametrize("seconds", [-1, 0, 86_401])
def test_it_is_for_a_day_at_most(seconds: int) -> None:
    book = refused()
    with pytest.raises(Invalid, match="name a time to come"):
        asked(book, expires_at=book.now + timedelta(seconds=seconds))


def test_it_does_not_outlive_the_order() -> None:
    book = refused(expires_at=Limited().now + timedelta(seconds=60))
    asked(book, expires_at=book.now + timedelta(hours=3))
    assert override(book).expires_at == book.now + timedelta(seconds=60)
    book.later(60)
    for again in (answered, asked):
        with pytest.raises((Conflict, Invalid)):
            again(book)


def test_turned_down_it_may_be_asked_for_again() -> None:
    book = answered(asked(refused()), approved=False)
    with pytest.raises(Conflict, match="turned down by officer"):
        answered(book)
    assert made(answered(asked(book))).state is State.SUBMITTED


def test_while_it_is_open_nobody_asks_again() -> None:
    book = asked(refused())
    with pytest.raises(Conflict) as error:
        asked(book, "another")
    assert error.value.code is Code.OVERRIDE_TAKEN


def test_every_other_check_holds() -> None:
    book = asked(refused(stated(max_order_qty=10, max_order_notional_usd=1_100)))
    book.quote("AAPL", 101)
    answered(book)
    assert (made(book).state, made(book).reason_code) == (State.REJECTED, RiskCode.ORDER_NOTIONAL)


def test_what_two_checks_refuse_takes_two_overrides() -> None:
    book = answered(asked(refused(stated(max_order_qty=10, max_order_notional_usd=1_000))))
    again = made(book).order_id
    asked(book, order_id=again)
    assert book.engine.state.overrides.rows[again].codes == (RiskCode.ORDER_QTY, RiskCode.ORDER_NOTIONAL)
    answered(book, order_id=again)
    last = book.engine.state.overrides.rows[again].made
    assert last is not None
    assert book.engine.state.orders.rows[last].state is State.SUBMITTED


def test_a_retry_of_an_overridden_order_inherits_nothing() -> None:
    book = answered(asked(refused(stated(max_order_qty=10, max_order_notional_usd=1_000))))
    book.order_of(11, retry_of=book.order_id)
    asked(book)
    assert override(book).codes == (RiskCode.ORDER_QTY,)


def test_it_goes_past_no_halt() -> None:
    book = asked(refused())
    book.step(ThrowSwitch(level=Level.FUND, name="fund", mode=Mode.HALT, reason="stop"))
    answered(book)
    assert made(book).reason_code == RiskCode.HALTED
    with pytest.raises(Conflict, match="nobody overrides RISK_HALTED"):
        asked(book, order_id=made(book).order_id)


def test_others_are_still_asked() -> None:
    book = answered(asked(refused(Limits(max_order_qty=TEN.max_order_qty, gates=("house",)))))
    assert (made(book).state, made(book).awaits) == (State.PENDING_RISK, ("house",))


def test_the_duplicate_of_an_order_can_be_meant() -> None:
    book = Limited(Limits(duplicate_window_s=60)).order_of(5).order_of(5)
    assert book.code == RiskCode.DUPLICATE
    assert made(answered(asked(book))).state is State.SUBMITTED


def test_only_what_a_check_refused_can_be_overridden() -> None:
    book = Limited(TEN).order_of(5)
    with pytest.raises(Conflict) as error:
        asked(book)
    assert error.value.code is Code.NOT_OVERRIDABLE
    with pytest.raises(NotFound):
        asked(book, order_id="nobody")
    with pytest.raises(NotFound) as unknown:
        answered(book)
    assert unknown.value.code is Code.NO_OVERRIDE


@pytest.mark.parametrize("code", sorted(NEVER_WAIVED))
def test_some_refusals_stand(code: RiskCode) -> None:
    book = refused()
    state = book.engine.state
    state.put_order(replace(book.order, reason_code=code))
    with pytest.raises(Conflict, match="nobody overrides"):
        asked(book)


def test_it_needs_a_reason() -> None:
    book = refused()
    with pytest.raises(Invalid) as error:
        book.step(AskOverride(order_id=book.order_id, reason=" "))
    assert error.value.pointer == "#/reason"


def test_what_can_no_longer_be_submitted_leaves_it_open() -> None:
    book = asked(refused())
    instrument = book.engine.state.instruments.rows["AAPL"]
    book.step(Configure((FUND,), (replace(instrument, lot_step=TEN.max_order_qty),)))
    with pytest.raises(Invalid):
        answered(book)
    assert override(book).approved is None
