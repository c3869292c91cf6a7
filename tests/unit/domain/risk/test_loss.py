"""RSK-9, RSK-15: what a fund has lost since a day, week or month began halts it; what it trades in a day is counted.

2026-01-05, when these days begin, is a Monday.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.application.decide.limiting import value_funds
from ordergate.domain.errors import Conflict
from ordergate.domain.instruments import AssetClass
from ordergate.domain.orders.states import RequestKind, Side, State
from ordergate.domain.risk.account import PeriodKind, add_to, present_periods, trading_day
from ordergate.domain.risk.commands import LiftHalt, SetLimits, ValueFunds
from ordergate.domain.risk.events import FundValued, TradingHalted
from ordergate.domain.risk.kill_switch import Trigger
from ordergate.domain.risk.limits import Level
from ordergate.testing.playbook import Playbook, bust, correct
from tests.unit.domain.risk.limited import Limited, stated

KINDS = {"daily_loss_halt_pct": "day", "weekly_loss_halt_pct": "week", "monthly_loss_halt_pct": "month"}


def valued(**limits: Any) -> Limited:
    """A fund of 10,000 USD whose periods have begun."""
    book = Limited(stated(**{"nav_usd": 10_000} | limits))
    book.step(ValueFunds())
    return book


def periods(book: Playbook) -> dict[PeriodKind, tuple[date, Decimal]]:
    account = book.engine.state.accounts.rows["fund"]
    return {period.kind: (period.began, period.nav_usd) for period in account.periods}


def fall(book: Limited, price: str) -> Limited:
    """The market comes to that price, and time does what it brings."""
    book.quote("AAPL", price).step(ValueFunds())
    return book


class TestPeriods:
    def test_they_begin_with_the_first_valuation_and_once(self) -> None:
        book = valued()
        assert [type(event) for event in book.events] == [FundValued]
        assert periods(book) == {
            PeriodKind.DAY: (date(2026, 1, 5), Decimal(10_000)),
            PeriodKind.WEEK: (date(2026, 1, 5), Decimal(10_000)),
            PeriodKind.MONTH: (date(2026, 1, 1), Decimal(10_000)),
        }
        book.step(ValueFunds())
        assert not book.events
        assert book.replayed().accounts.rows == book.engine.state.accounts.rows

    def test_a_day_begins_at_midnight_with_what_the_fund_is_worth_then(self) -> None:
        book = valued().held(10)
        book.now = datetime(2026, 1, 5, 23, 59, 59, 999_999, tzinfo=UTC)
        assert not fall(book, "90").events
        book.now += timedelta(microseconds=1)
        book.step(ValueFunds())
        assert periods(book)[PeriodKind.DAY] == (date(2026, 1, 6), Decimal(9_900))
        assert periods(book)[PeriodKind.WEEK] == (date(2026, 1, 5), Decimal(10_000))

    def test_week_and_month(self) -> None:
        book = valued().held(10)
        book.now = datetime(2026, 1, 12, tzinfo=UTC)
        fall(book, "90")
        assert periods(book)[PeriodKind.WEEK] == (date(2026, 1, 12), Decimal(9_900))
        assert periods(book)[PeriodKind.MONTH] == (date(2026, 1, 1), Decimal(10_000))
        book.now = datetime(2026, 2, 1, tzinfo=UTC)
        fall(book, "80")
        assert periods(book)[PeriodKind.MONTH] == (date(2026, 2, 1), Decimal(9_800))
        assert periods(book)[PeriodKind.WEEK] == (date(2026, 1, 26), Decimal(9_800))

    def test_a_year_s_last_week(self) -> None:
        assert present_periods(datetime(2027, 1, 1, tzinfo=UTC)) == {
            PeriodKind.DAY: date(2027, 1, 1),
            PeriodKind.WEEK: date(2026, 12, 28),
            PeriodKind.MONTH: date(2027, 1, 1),
        }

    def test_without_a_worth_or_a_rate_none_begins(self) -> None:
        book = Limited(stated(max_order_qty=1))
        book.step(ValueFunds())
        assert not book.events
        book = Limited(stated(nav_usd=10_000)).order_of(1).filled(fee=Decimal(1), fee_currency="GBP")
        book.step(ValueFunds())
        assert not book.events
        book.quote("GBPUSD", "1.25").step(ValueFunds())
        assert periods(book)[PeriodKind.DAY][1] == Decimal("9998.75")

    def test_money_paid_in_or_out_is_neither_profit_nor_loss(self) -> None:
        book = valued(daily_loss_halt_pct="0.03").held(10)
        paid = replace(book.engine.state.limits.rows[Level.FUND, "fund"].limits, nav_usd=Decimal(5_000))
        book.step(SetLimits(level=Level.FUND, name="fund", limits=paid, reason="paid out"))
        assert periods(book)[PeriodKind.DAY][1] == 5_000
        assert not fall(book, "85.01").events
        fall(book, "85")
        assert book.engine.state.halts.rows[Level.FUND, "fund"].trigger is Trigger.LOSS
        assert book.replayed().accounts.rows == book.engine.state.accounts.rows


@pytest.mark.parametrize(("name", "kind"), list(KINDS.items()))
class TestLossLimit:
    """3 % of 10,000 is 300: 30 a share of ten."""

    def test_the_boundary(self, name: str, kind: str) -> None:
        book = valued(**{name: "0.03"}).held(10)
        assert not fall(book, "70.01").events
        assert book.order_of(1).code is None
        book.canceled()
        fall(book, "70")
        (event,) = book.events
        assert isinstance(event, TradingHalted)
        halt = event.halt
        assert (halt.level, halt.name, halt.trigger, halt.by) == (
            Level.FUND,
            "fund",
            Trigger.LOSS,
            "trigger/loss",
        )
        assert halt.reason == f"300 USD lost since the {kind} began"
        assert book.order_of(1, side=Side.SELL).code == "RISK_HALTED"

    def test_it_cancels_what_works(self, name: str, kind: str) -> None:
        book = valued(**{name: "0.03"}).held(10).order_of(1, limit=50)
        fall(book, "70")
        assert book.order.open_request(RequestKind.CANCEL) is not None

    def test_the_gate_knows_before_the_halt_and_lets_reducing_orders_pass(self, name: str, kind: str) -> None:
        book = valued(**{name: "0.03"}).held(10).quote("AAPL", "70.01")
        assert book.order_of(1, limit=50).code is None
        book.quote("AAPL", 70)
        assert book.order_of(1).code == "RISK_LOSS"
        assert f"since the {kind} began" in str(book.order.reason)
        assert book.order_of(11, side=Side.SELL).code == "RISK_LOSS", "it would end short"
        assert book.order_of(10, side=Side.SELL).code is None
        book.order_id = "ord-2"
        book.replace(2)
        assert book.code == "RISK_LOSS"

    def test_realised_losses_and_fees_count(self, name: str, kind: str) -> None:
        book = valued(**{name: "0.03"}).held(10).order_of(10, side=Side.SELL)
        book.filled(price=71, fee=Decimal("9.99"), fee_currency="USD")
        book.step(ValueFunds())
        assert not book.events
        book.order_of(1).filled(fee=Decimal("0.01"), fee_currency="USD")
        book.step(ValueFunds())
        assert isinstance(book.events[0], TradingHalted)

    def test_a_short_loses_when_the_market_rises(self, name: str, kind: str) -> None:
        book = valued(**{name: "0.03"}).held(-10)
        assert not fall(book, "129.99").events
        assert fall(book, "130").events

    def test_lifted_it_is_not_halted_again_for_the_same_loss_which_still_refuses(
        self, name: str, kind: str
    ) -> None:
        book = fall(valued(**{name: "0.03"}).held(10), "70")
        book.by("bob", LiftHalt(level=Level.FUND, name="fund", reason="we go on"))
        book.step(ValueFunds())
        assert not book.events
        assert book.order_of(1).code == "RISK_LOSS"
        assert book.order_of(10, side=Side.SELL).code is None

    def test_a_loss_of_many_digits_halts_too(self, name: str, kind: str) -> None:
        book = fall(valued(**{name: "0.03"}).held(10), "69.123456789")
        assert isinstance(book.events[0], TradingHalted)
        assert "308.76543211 USD lost" in book.events[0].halt.reason

    def test_a_loss_of_the_next_period_halts_again(self, name: str, kind: str) -> None:
        book = fall(valued(**{name: "0.03"}).held(10), "70")
        book.by("bob", LiftHalt(level=Level.FUND, name="fund", reason="we go on"))
        book.now = datetime(2026, 2, 2, tzinfo=UTC)
        assert [type(event).__name__ for event in fall(book, "70").events] == ["FundValued"]
        assert isinstance(fall(book, "40").events[0], TradingHalted)

    def test_the_next_period_begins_anew(self, name: str, kind: str) -> None:
        book = fall(valued(**{name: "0.03"}).held(10), "70")
        book.now = datetime(2026, 2, 2, tzinfo=UTC)
        fall(book, "70")
        book.by("bob", LiftHalt(level=Level.FUND, name="fund", reason="a new period"))
        fall(book, "70")
        assert not book.events
        assert book.order_of(1).code is None

    def test_it_is_not_loosened_while_it_halts(self, name: str, kind: str) -> None:
        book = fall(valued(**{name: "0.03"}).held(10), "70")
        with pytest.raises(Conflict):
            book.limits(stated(nav_usd=10_000, **{name: "0.04"}))


def test_a_fund_that_was_never_valued_is_not_let_through_for_that() -> None:
    """Without a beginning nobody knows what it has lost: the runner values funds before it takes orders."""
    book = Limited(stated(nav_usd=10_000, daily_loss_halt_pct="0.03")).held(10).quote("AAPL", 70)
    book.step(ValueFunds())
    assert periods(book)[PeriodKind.DAY][1] == 9_700
    assert book.order_of(1).code is None


def test_what_comes_with_time_is_a_decision_like_any_other() -> None:
    assert value_funds.__doc__


NEW_YORK = [
    # 05:00 UTC is midnight in winter, 04:00 in summer; on 2026-03-08 and 2026-11-01 the clocks change at two.
    ("2026-01-06T04:59:59", "2026-01-05"),
    ("2026-01-06T05:00:00", "2026-01-06"),
    ("2026-07-06T03:59:59", "2026-07-05"),
    ("2026-07-06T04:00:00", "2026-07-06"),
    ("2026-03-08T04:59:59", "2026-03-07"),
    ("2026-03-08T05:00:00", "2026-03-08"),
    ("2026-03-09T03:59:59", "2026-03-08"),
    ("2026-03-09T04:00:00", "2026-03-09"),
    ("2026-11-01T03:59:59", "2026-10-31"),
    ("2026-11-01T04:00:00", "2026-11-01"),
    ("2026-11-02T04:59:59", "2026-11-01"),
    ("2026-11-02T05:00:00", "2026-11-02"),
]
FIVE_PM = [
    ("2026-01-05T21:59:59", "2026-01-05"),
    ("2026-01-05T22:00:00", "2026-01-06"),
    ("2026-07-05T20:59:59", "2026-07-05"),
    ("2026-07-05T21:00:00", "2026-07-06"),
    ("2026-03-08T20:59:59", "2026-03-08"),
    ("2026-03-08T21:00:00", "2026-03-09"),
    ("2026-11-01T21:59:59", "2026-11-01"),
    ("2026-11-01T22:00:00", "2026-11-02"),
]


@pytest.mark.parametrize(
    ("asset_class", "at", "day"),
    [(AssetClass.EQUITIES, *row) for row in NEW_YORK]
    + [(kind, *row) for kind in (AssetClass.FX, AssetClass.METALS) for row in FIVE_PM]
    + [(AssetClass.CRYPTO, "2026-03-08T23:59:59", "2026-03-08"), (AssetClass.CRYPTO, "2026-03-09T00:00:00", "2026-03-09")],
)  # fmt: skip
def test_rsk_9_the_trading_day(asset_class: AssetClass, at: str, day: str) -> None:
    assert trading_day(asset_class, datetime.fromisoformat(at).replace(tzinfo=UTC)) == day


class TestDailyVolume:
    @pytest.mark.parametrize(
        ("name", "most"), [("max_daily_volume_qty", 10), ("max_daily_volume_usd", 1_000)]
    )
    def test_the_day_rolls_where_the_instrument_is_traded(self, name: str, most: int) -> None:
        """Also on the day on which the clocks go forward: 2026-03-08 has 23 hours in New York."""
        book = Limited(stated(**{name: most}))
        book.now = datetime(2026, 3, 8, 5, tzinfo=UTC)
        book.quote("AAPL", 100, pinned=True).order_of(10).filled()
        for at, code in (("2026-03-09T03:59:59", "RISK_DAILY_VOLUME"), ("2026-03-09T04:00:00", None)):
            book.now = datetime.fromisoformat(at).replace(tzinfo=UTC)
            assert book.order_of(10).code == code

    def test_both_sides_count_and_what_was_canceled_does_not(self) -> None:
        book = (
            Limited(stated(max_daily_volume_qty=10))
            .order_of(4)
            .filled()
            .order_of(4, side=Side.SELL)
            .filled(1)
        )
        assert book.order_of(3).code == "RISK_DAILY_VOLUME"
        book.order_id = "ord-2"
        book.canceled()
        assert book.order_of(6).code == "RISK_DAILY_VOLUME"
        assert book.order_of(5).code is None

    def test_the_symbol_s_limit_is_of_each_fund(self) -> None:
        book = Limited().limits(stated(max_daily_volume_qty=10), Level.SYMBOL)
        assert book.limits(stated(), Level.FUND, "other").order_of(10).code is None
        assert book.order_of(1).code == "RISK_DAILY_VOLUME"

    def test_a_bust_and_a_correction_are_taken_back(self) -> None:
        book = Limited(stated(max_daily_volume_qty=10)).order_of(10).filled(completes=False)
        trade = next(iter(book.engine.state.fills.rows.values())).exec_id
        book.report(correct("c", trade, 8, 100))
        volume = book.engine.state.volumes.rows["fund", "AAPL"]
        assert (volume.quantity, volume.value) == (Decimal(8), Decimal(800))
        book.report(bust("b", "c"))
        volume = book.engine.state.volumes.rows["fund", "AAPL"]
        assert (volume.quantity, volume.value) == (Decimal(0), Decimal(0))
        assert book.replayed().volumes.rows == book.engine.state.volumes.rows

    def test_what_was_filled_and_refused_stands_apart(self) -> None:
        book = Limited(stated(max_daily_volume_qty=10)).order_of(11)
        assert book.order.state is State.REJECTED
        assert book.order_of(10).code is None

    def test_without_an_average_nothing_can_be_a_share_of_it(self) -> None:
        assert Limited(stated(max_adv_pct="0.5")).order_of(1).code == "RISK_DAILY_VOLUME"

    def test_an_older_day_counts_no_more_and_a_late_report_of_it_neither(self) -> None:
        one = add_to(None, "fund", "AAPL", "2026-01-05", Decimal(3), Decimal(300))
        two = add_to(one, "fund", "AAPL", "2026-01-06", Decimal(1), Decimal(100))
        assert (two.day, two.quantity) == ("2026-01-06", Decimal(1))
        assert add_to(two, "fund", "AAPL", "2026-01-05", Decimal(9), Decimal(900)) == two
        assert add_to(two, "fund", "AAPL", "2026-01-06", Decimal(-2), Decimal(-200)).quantity == 0
