"""RSK-5, RSK-7: margin is bound from an order's acceptance to its end, whoever answers, and let go of once."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.domain.orders import reports as r
from ordergate.domain.orders.reports import End
from ordergate.domain.orders.states import Phase, Side, State
from ordergate.domain.risk.commands import AnswerGate
from ordergate.domain.risk.exposure import reserved
from ordergate.domain.risk.limits import PAPER, Limits
from ordergate.testing.playbook import BROKER, ended, fill, refused, replaced
from tests.unit.domain.risk.limited import Limited, stated


def account(nav: int = 1_000, **more: Any) -> Limited:
    """A fund with so much money, all of it free."""
    return Limited(stated(nav_usd=nav, **more))


def fits(book: Limited, quantity: int) -> None:
    """So much more passes, and not one share more; nothing is left behind."""
    before = book.order_id
    assert book.order_of(quantity + 1).code == "RISK_MARGIN"
    if quantity:
        assert book.order_of(quantity).code is None
        book.canceled()
    book.order_id = before


class TestEnds:
    @pytest.mark.parametrize("end", list(End))
    def test_each_releases_what_is_left(self, end: End) -> None:
        book = account().order_of(6)
        fits(book, 4)
        book.report(ended(end))
        fits(book, 10)
        book.report(ended(end))
        fits(book, 10)

    @pytest.mark.parametrize("end", [end for end in End if end is not End.REJECTED])
    def test_what_was_filled_stays_bound(self, end: End) -> None:
        book = account().order_of(6).filled(2)
        fits(book, 4)
        book.report(ended(end))
        fits(book, 8)
        book.report(fill("late", 1, 100))
        fits(book, 7)

    def test_a_refusal_of_the_broker_releases(self) -> None:
        book = account().submit(6, strategy_id="trend")
        fits(book, 4)
        book.report(r.Answered(broker=BROKER, outcome=r.Outcome.REJECTED))
        assert book.order.state is State.REJECTED
        fits(book, 10)

    def test_a_fill_moves_it_from_the_order_to_the_position(self) -> None:
        book = account().order_of(6)
        for filled in (1, 2, 3):
            fits(book, 4)
            book.filled(filled)
        assert book.order.state is State.CLOSED
        fits(book, 4)
        book.order_of(6, side=Side.SELL).filled()
        fits(book, 10)

    def test_a_bust_binds_it_again(self) -> None:
        book = account().order_of(6)
        book.report(fill("x", 6, 100))
        fits(book, 4)
        book.report(r.Executed(
            broker=BROKER, exec_id="y", time=book.now, quantity=Decimal(0), price=Decimal(0),
            execution_kind=r.ExecutionKind.BUST, refers_to="x",
        ))  # fmt: skip
        fits(book, 4)
        book.canceled()
        fits(book, 10)


class TestEveryStateCounts:
    def test_accepted_without_a_session(self) -> None:
        book = Limited(stated(nav_usd=1_000), session=False).order_of(6)
        assert book.order.state is State.ACCEPTED
        assert book.order_of(5).code == "RISK_MARGIN"
        book.order_id = "ord-1"
        book.cancel()
        assert book.order_of(10).code is None

    def test_sent_and_not_acknowledged(self) -> None:
        book = account().submit(6, strategy_id="trend")
        assert book.order_of(5).code == "RISK_MARGIN"

    @pytest.mark.parametrize("phase", [Phase.UNKNOWN, Phase.PARKED, Phase.READY])
    def test_in_doubt(self, phase: Phase) -> None:
        book = account().submit(6, strategy_id="trend")
        outcome = r.Outcome.NOT_SENT if phase is Phase.READY else r.Outcome.UNKNOWN
        book.report(r.Answered(broker=BROKER, outcome=outcome))
        if phase is Phase.PARKED:
            book.report(r.LookedUp(broker=BROKER, finding=r.Finding.UNPROVEN, final=True))
        assert book.order.requests[0].phase is phase
        fits(book, 4)

    def test_awaiting_a_gate_and_refused_by_it(self) -> None:
        book = account(approve_above_usd=100).order_of(6)
        assert book.order.state is State.PENDING_RISK
        assert book.order_of(5).code == "RISK_MARGIN"
        book.step(AnswerGate(order_id="ord-1", gate="approval", approved=False))
        assert book.order_of(10).code is None

    def test_what_the_gate_refused_binds_nothing(self) -> None:
        book = account()
        for _turn in range(3):
            assert book.order_of(11).code == "RISK_MARGIN"
        fits(book, 10)


class TestReplaces:
    def test_under_way_the_larger_counts(self) -> None:
        book = account().order_of(6, limit=100)
        book.replace(8)
        fits(book, 2)
        book.report(refused())
        fits(book, 4)
        book.replace(3)
        fits(book, 4)
        book.report(replaced(3))
        fits(book, 7)

    def test_a_replace_that_waits_for_a_person_counts(self) -> None:
        book = account(approve_above_usd=600).order_of(6, limit=100)
        book.replace(8)
        assert book.order.awaits == ("approval",)
        assert book.order_of(3, limit=100).code == "RISK_MARGIN"
        book.step(AnswerGate(order_id="ord-1", gate="approval", approved=False, number=2))
        assert book.order_of(4, limit=100).code is None

    def test_a_higher_price_counts_while_it_is_under_way(self) -> None:
        book = account().order_of(6, limit=100)
        book.replace(limit=150)
        assert reserved(book.order) == (Decimal(6), Decimal(900))
        fits(book, 1)


def test_rsk_5_of_fifty_that_each_take_sixty_percent_exactly_one_passes() -> None:
    book = account()
    codes = [book.submit(6, strategy_id="trend").code for _turn in range(50)]
    assert codes == [None] + ["RISK_MARGIN"] * 49


def test_the_margin_of_the_description() -> None:
    """An order that takes 60 % twice: the second is told how much is needed and how much is free."""
    book = account().order_of(6).order_of(6)
    assert book.order.reason == "Insufficient margin: 600 USD needed, 400 USD free"
    numbers = {
        "value": 600,
        "free": 400,
        "equity": 1_000,
        "margin": 600,
        "margin_before": 600,
        "notional": 600,
    }
    assert book.decision.numbers == numbers


class TestPaper:
    """The built-in fund's: a million dollars, FX and metals at 30:1, the rest paid in full."""

    LIMITS = replace(PAPER, max_order_notional_usd=None)

    @pytest.mark.parametrize(
        ("symbol", "price", "most", "step"),
        [
            ("AAPL", "100", "10000", "1"),
            ("BTC/USDT", "50000", "20", "0.00001"),
            ("EURUSD", "1.25", "240", "0.01"),
            ("XAUUSD", "2000", "150", "0.01"),
            ("USDJPY", "150", "300", "0.01"),
        ],
    )
    @pytest.mark.parametrize("side", [Side.BUY, Side.SHORT])
    def test_what_a_million_covers(self, symbol: str, price: str, most: str, step: str, side: Side) -> None:
        book = Limited(self.LIMITS).quote(symbol, price)
        over = Decimal(most) + Decimal(step)
        assert book.order_of(over, symbol=symbol, side=side).code == "RISK_MARGIN"
        assert book.order_of(most, symbol=symbol, side=side).code is None
        assert book.order_of(step, symbol=symbol, side=side).code == "RISK_MARGIN"

    @pytest.mark.parametrize("side", [Side.BUY, Side.SHORT])
    def test_a_cross_is_converted(self, side: Side) -> None:
        """A lot of EURJPY at 165 and 150 yen the dollar: 110,000 USD; of 30 million, 272.72 lots."""
        book = Limited(self.LIMITS).quote("EURJPY", 165)
        assert book.order_of(1, symbol="EURJPY", side=side).code == "RISK_NO_RATE"
        book.quote("USDJPY", 150)
        assert book.order_of("272.73", symbol="EURJPY", side=side).code == "RISK_MARGIN"
        assert book.order_of("272.72", symbol="EURJPY", side=side).code is None

    def test_classes_add_up(self) -> None:
        book = Limited(self.LIMITS).quote("EURUSD", "1.25").held(5_000)
        assert book.order_of("120.01", symbol="EURUSD").code == "RISK_MARGIN"
        assert book.order_of(120, symbol="EURUSD").code is None
        assert book.order_of(1).code == "RISK_MARGIN"

    def test_the_seed_s_request_passes(self) -> None:
        book = Limited(PAPER).quote("AAPL", "180.49", "180.51")
        assert book.order_of(100, limit="180.50").code is None


class TestEquity:
    def test_a_realised_loss_is_gone(self) -> None:
        book = account().held(5).order_of(5, side=Side.SELL).filled(price=80)
        fits(book, 9)

    def test_a_realised_profit_is_there(self) -> None:
        book = account().held(5).order_of(5, side=Side.SELL).filled(price=120)
        fits(book, 11)

    def test_fees_are_paid(self) -> None:
        book = account().order_of(5).filled(fee=Decimal(1), fee_currency="USD")
        assert book.order_of(5).code == "RISK_MARGIN"
        assert book.order_of(4).code is None

    def test_fees_in_a_currency_without_a_rate_refuse(self) -> None:
        book = account().order_of(5).filled(fee=Decimal(1), fee_currency="GBP")
        assert book.order_of(1).code == "RISK_NO_RATE"
        assert book.quote("GBPUSD", "1.25").order_of(4).code is None

    def test_what_is_held_is_worth_what_the_market_says(self) -> None:
        book = account(nav=1_000, leverage={"equities": Decimal(2)}).held(10).quote("AAPL", 80)
        # 1,000 - 200 = 800; 10 x 80 / 2 = 400 are bound
        assert book.order_of(11).code == "RISK_MARGIN"
        assert book.order_of(10).code is None

    def test_a_rising_short_loses(self) -> None:
        book = account().held(-5).quote("AAPL", 110)
        # 1,000 - 50 = 950; 550 are bound: 400
        assert book.order_of(4, side=Side.SHORT).code == "RISK_MARGIN"
        assert book.order_of(3, side=Side.SHORT).code is None

    def test_what_makes_the_position_smaller_passes_without_margin(self) -> None:
        book = account(nav=1_000).held(10).quote("AAPL", 50)
        assert book.order_of(1).code == "RISK_MARGIN"
        book = account(nav=1_000, leverage={"equities": Decimal(5)}).held(40).quote("AAPL", 70)
        assert book.order_of(1).code == "RISK_MARGIN"
        assert book.order_of(40, side=Side.SELL).code is None

    def test_a_short_is_bound_as_a_long_is(self) -> None:
        book = account().held(-6)
        assert book.order_of(5, side=Side.SHORT).code == "RISK_MARGIN"
        assert book.order_of(16, side=Side.BUY).code is None, "which is 10 long after all"
        assert book.order_of(1, side=Side.BUY).code == "RISK_MARGIN"


def test_a_fund_without_a_worth_has_no_margin_to_check() -> None:
    assert Limited(Limits()).order_of(10**6).code is None
