"""Every limit from both sides: what is at it passes, the smallest unit more is refused with the limit's own code."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import fields, replace

from ordergate.domain.funds import Fund
from ordergate.domain.instruments import AssetClass, Instrument, built_in
from ordergate.domain.market import Quote
from ordergate.domain.operations import Operation
from ordergate.domain.orders.commands import Configure
from ordergate.domain.orders.events import ReplaceRefused
from ordergate.domain.orders.states import OrderType, Phase, RequestKind, Side, State
from ordergate.domain.risk.case import BrokerAccount
from ordergate.domain.risk.limits import LEVELS, Level, Limits
from ordergate.testing.playbook import BROKER, Playbook, replaced
from tests.unit.domain.risk.limited import FUND, NAMES, Limited, stated

SIDES = [(Side.BUY, Side.SHORT), (Side.COVER, Side.SELL)]
"""Each twice: as one opens, and as one closes."""


class Bound(Struct, frozen=True, kw_only=True):
    """A limit under which 10 shares at 100 pass, and 11 do not.

    Attributes:
        rows: of the list of controls that it stands for.
        nav: what the fund is worth, where the limit is a share of that.
    """

    name: str
    limit: Any
    code: str
    rows: str
    nav: int | None = None


BOUNDS = [
    Bound(name="max_order_qty", limit=10, code="RISK_ORDER_QTY", rows="RSK-1"),
    Bound(name="max_order_notional_usd", limit=1_000, code="RISK_ORDER_NOTIONAL", rows="RSK-1"),
    Bound(name="nav_usd", limit=1_000, code="RISK_MARGIN", rows="RSK-7"),
    Bound(name="max_leverage", limit="0.01", code="RISK_LEVERAGE", rows="RSK-8", nav=100_000),
    Bound(name="max_position_qty", limit=10, code="RISK_POSITION", rows="RSK-17"),
    Bound(name="max_position_usd", limit=1_000, code="RISK_POSITION", rows="RSK-17"),
    Bound(name="max_position_pct", limit="0.01", code="RISK_POSITION", rows="RSK-17", nav=100_000),
    Bound(name="max_gross_exposure_usd", limit=1_000, code="RISK_GROSS_EXPOSURE", rows="RSK-6"),
    Bound(name="max_gross_exposure_pct", limit="0.01", code="RISK_GROSS_EXPOSURE", rows="RSK-8", nav=100_000),
    Bound(name="max_net_exposure_pct", limit="0.01", code="RISK_NET_EXPOSURE", rows="RSK-8", nav=100_000),
    Bound(name="max_asset_class_pct", limit="0.01", code="RISK_CLASS_EXPOSURE", rows="RSK-8", nav=100_000),
    Bound(name="max_sector_pct", limit="0.01", code="RISK_SECTOR_EXPOSURE", rows="RSK-8", nav=100_000),
    Bound(name="max_country_pct", limit="0.01", code="RISK_COUNTRY_EXPOSURE", rows="RSK-8", nav=100_000),
    Bound(name="max_daily_volume_qty", limit=10, code="RISK_DAILY_VOLUME", rows="RSK-9"),
    Bound(name="max_daily_volume_usd", limit=1_000, code="RISK_DAILY_VOLUME", rows="RSK-9"),
    Bound(name="max_adv_pct", limit="0.001", code="RISK_DAILY_VOLUME", rows="RSK-9"),
]
ELSEWHERE = {
    "price_collar_pct": "test_the_collar",
    "max_quote_age_s": "test_a_quote_is_a_reference_until_it_is_too_old",
    "leverage": "test_margin",
    "allowed_brokers": "test_lists",
    "allowed_operations": "test_lists",
    "allowed_order_types": "test_lists",
    "allowed_asset_classes": "test_lists",
    "restricted_symbols": "test_lists",
    "enable_shorting": "test_shorting",
    "approve_above_usd": "test_above_the_threshold_a_person_is_asked",
    "approval_timeout_s": "test_above_the_threshold_a_person_is_asked",
    "gates": "test_other_gates_are_asked",
    "max_orders_per_s": "test_throttles",
    "max_messages_per_s": "test_throttles",
    "cancel_reserve": "test_throttles",
    "duplicate_window_s": "test_throttles",
    "max_runs": "test_throttles",
    "daily_loss_halt_pct": "test_loss",
    "weekly_loss_halt_pct": "test_loss",
    "monthly_loss_halt_pct": "test_loss",
    "max_rejections_per_min": "a trigger of the kill switch, no check of the gate",
    "max_silence_s": "test_silence",
}


def test_every_limit_has_its_boundary_tested() -> None:
    tested = {bound.name for bound in BOUNDS} | set(ELSEWHERE)
    assert tested == {field.name for field in fields(Limits)}


def at_levels() -> Iterator[Any]:
    for bound in BOUNDS:
        for level in Level:
            if bound.name in LEVELS[level]:
                yield pytest.param(bound, level, id=f"{bound.rows} {bound.name} {level}")


def liquid(symbol: str) -> Instrument | None:
    """AAPL with 10,000 shares traded a day."""
    known = built_in(symbol)
    return known and replace(known, average_daily_volume=Decimal(10_000), sector="technology", country="US")


def bounded(bound: Bound, level: Level) -> Limited:
    book = Limited()
    book.engine.view.instrument = liquid
    limits = stated(**{bound.name: bound.limit} | ({} if bound.nav is None else {"nav_usd": bound.nav}))
    return book.limits(limits, level)


@pytest.mark.parametrize("side", [side for pair in SIDES for side in pair])
@pytest.mark.parametrize(("bound", "level"), list(at_levels()))
class TestBoundary:
    def test_of_a_new_order(self, bound: Bound, level: Level, side: Side) -> None:
        book = bounded(bound, level).order_of(11, side=side)
        assert (book.order.state, book.order.reason_code, book.code) == (
            State.REJECTED,
            bound.code,
            bound.code,
        )
        assert f"{level} {NAMES[level]}".strip() in str(book.order.reason) or "margin" in str(
            book.order.reason
        )
        assert bounded(bound, level).order_of(10, side=side).order.state is State.SUBMITTED
        assert bounded(bound, level).order_of(10, side=side, limit=100).order.state is State.SUBMITTED
        assert bounded(bound, level).order_of(11, side=side, limit=100).code == bound.code

    def test_of_a_replace(self, bound: Bound, level: Level, side: Side) -> None:
        book = bounded(bound, level).order_of(5, side=side, limit=100)
        book.replace(11)
        assert [type(event) for event in book.events] == [ReplaceRefused]
        assert book.code == bound.code
        assert (book.order.state, book.order.quantity, book.order.requests) == (
            State.SUBMITTED,
            Decimal(5),
            (),
        )
        book.replace(10).expect("RequestOpened")
        assert book.code is None
        book.report(replaced(10)).expect("OrderReplaced", quantity=10)
        book.replace(9).expect("RequestOpened")

    def test_of_a_replace_after_a_fill(self, bound: Bound, level: Level, side: Side) -> None:
        book = bounded(bound, level).order_of(5, side=side, limit=100).filled(2)
        book.replace(11)
        assert book.code == bound.code
        book.replace(10)
        assert book.code is None


@pytest.mark.parametrize(
    "bound", [b for b in BOUNDS if not b.name.startswith("max_order")], ids=lambda b: f"{b.rows} {b.name}"
)
@pytest.mark.parametrize("side", [Side.BUY, Side.SHORT])
def test_what_has_been_let_through_counts_with_it(bound: Bound, side: Side) -> None:
    """Working, filled, and working again: 10 together pass, 11 do not."""
    for level in (Level.FUND, Level.SYMBOL, Level.STRATEGY):
        if bound.name not in LEVELS[level]:
            continue
        book = bounded(bound, level).order_of(4, side=side).filled().order_of(3, side=side)
        assert book.order_of(4, side=side).code == bound.code
        assert book.order_of(3, side=side).code is None
        assert book.order_of(1, side=side).code == bound.code


@pytest.mark.parametrize(
    "name", ["max_position_qty", "max_position_usd", "max_position_pct", "max_net_exposure_pct"]
)
def test_who_is_too_short_already_may_become_shorter_no_more_nor_too_long(name: str) -> None:
    """A limit that was tightened since: what makes the position smaller passes, up to the limit on the other side."""
    bound = next(bound for bound in BOUNDS if bound.name == name)
    book = Limited().held(-15)
    book.limits(stated(**{name: bound.limit} | ({"nav_usd": bound.nav} if bound.nav else {})))
    assert book.order_of(1, side=Side.SHORT).code == bound.code
    assert book.order_of(26, side=Side.BUY).code == bound.code
    assert book.order_of(25, side=Side.BUY).code is None


@pytest.mark.parametrize("name", ["max_position_qty", "max_position_usd", "max_gross_exposure_usd"])
def test_rsk_6_funds_within_their_own_limits_are_too_much_together(name: str) -> None:
    bound = next(bound for bound in BOUNDS if bound.name == name)
    level = Level.FIRM if name == "max_gross_exposure_usd" else Level.SYMBOL
    book = Limited(stated(**{name: bound.limit})).limits(stated(**{name: bound.limit}), Level.FUND, "other")
    book.limits(stated(**{name: bound.limit}), level)
    assert book.order_of(6).code is None
    assert book.order_of(5, fund_id="other").code == bound.code
    assert book.order_of(4, fund_id="other").code is None
    assert book.order_of(1).code == bound.code


@pytest.mark.parametrize("level", [level for level in Level if "price_collar_pct" in LEVELS[level]])
@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(("inside", "outside"), [("110", "110.01"), ("90", "89.99")])
class TestRsk2:
    """The price collar: ±10 % of 100."""

    def test_the_collar(self, level: Level, side: Side, inside: str, outside: str) -> None:
        book = Limited().limits(stated(price_collar_pct="0.1"), level)
        assert book.order_of(1, side=side, limit=outside).code == "RISK_PRICE_COLLAR"
        assert book.order_of(1, side=side, limit=inside).code is None

    def test_of_a_stop_price(self, level: Level, side: Side, inside: str, outside: str) -> None:
        book = Limited().limits(stated(price_collar_pct="0.1"), level)
        for stop, code in ((outside, "RISK_PRICE_COLLAR"), (inside, None)):
            book.order_of(1, side=side, order_type=OrderType.STOP, stop_price=Decimal(stop))
            assert book.code == code

    def test_of_a_replace(self, level: Level, side: Side, inside: str, outside: str) -> None:
        book = Limited().limits(stated(price_collar_pct="0.1"), level).order_of(1, side=side, limit=100)
        book.replace(limit=outside)
        assert book.code == "RISK_PRICE_COLLAR"
        book.replace(limit=inside)
        assert book.code is None


class TestRsk1:
    """The reference price: the fresh quote, else the order's own price; nothing is taken for granted."""

    LIMITS = stated(max_order_notional_usd=1_000)

    @pytest.mark.parametrize(("side", "bid", "ask"), [(Side.BUY, 1, 100), (Side.SHORT, 100, 10**6)])
    def test_a_market_order_is_measured_at_the_side_that_it_meets(
        self, side: Side, bid: int, ask: int
    ) -> None:
        book = Limited(self.LIMITS).quote("AAPL", bid, ask)
        assert book.order_of(11, side=side).code == "RISK_ORDER_NOTIONAL"
        assert book.order_of(10, side=side).code is None
        assert book.order.reference_price == 100

    def test_a_limit_order_at_its_own_price_where_that_is_more(self) -> None:
        book = Limited(self.LIMITS)
        assert book.order_of(10, limit="100.01").code == "RISK_ORDER_NOTIONAL"
        assert book.order_of(10, limit="100.00").code is None
        assert book.order_of(11, limit="1.00").code == "RISK_ORDER_NOTIONAL"

    @pytest.mark.parametrize(
        "quote",
        [
            None,
            (0, 0),
            (-1, 100),
            (100, 0),
            (0, 100),
            ("NaN", "NaN"),
            (100, "NaN"),
            (100, "Infinity"),
            ("-Infinity", 100),
        ],
    )
    @pytest.mark.parametrize("pinned", [False, True])
    @pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
    def test_no_price_refuses(self, quote: tuple[Any, Any] | None, pinned: bool, side: Side) -> None:
        book = Limited(self.LIMITS)
        book.engine.view.quotes.clear()
        if quote is not None:
            bid, ask = map(Decimal, quote)
            book.engine.view.quotes["AAPL"] = Quote("AAPL", book.now, bid, ask, pinned=pinned)
        assert book.order_of(1, side=side).code == "RISK_NO_PRICE"
        assert book.order_of(1, side=side, limit=100).code is None, "its own price will do"

    @pytest.mark.parametrize(("limits", "seconds"), [({}, 60), ({"max_quote_age_s": 5}, 5)])
    @pytest.mark.parametrize("level", [level for level in Level if "max_quote_age_s" in LEVELS[level]])
    def test_a_quote_is_a_reference_until_it_is_too_old(
        self, limits: dict[str, int], seconds: int, level: Level
    ) -> None:
        book = Limited(self.LIMITS)
        book.limits(stated(**limits) if level is not Level.FUND else replace(self.LIMITS, **limits), level)
        book.later(seconds)
        assert book.order_of(1).code is None
        book.later(0.000001)
        assert book.order_of(1).code == "RISK_NO_PRICE"
        assert "too old" in str(book.order.reason)
        book.quote("AAPL", 100, pinned=True).later(10**6)
        assert book.order_of(1).code is None

    def test_a_signal_s_entry_price_is_the_last_resort(self) -> None:
        book = Limited(self.LIMITS)
        book.engine.view.quotes.clear()
        assert book.order_of(11, entry_price=Decimal(100)).code == "RISK_ORDER_NOTIONAL"
        assert book.order_of(10, entry_price=Decimal(100)).code is None

    def test_without_limits_that_measure_worth_no_price_is_needed(self) -> None:
        book = Limited(stated(max_order_qty=10))
        book.engine.view.quotes.clear()
        assert book.order_of(10).code is None

    def test_no_rate_refuses(self) -> None:
        book = Limited(replace(self.LIMITS, max_order_notional_usd=Decimal(10**9)))
        book.quote("EURCHF", "0.95")
        assert book.order_of(1, symbol="EURCHF").code == "RISK_NO_RATE"
        assert "CHF" in str(book.order.reason)
        assert book.quote("USDCHF", "0.80").order_of(1, symbol="EURCHF").code is None
        book.engine.view.quotes["USDCHF"] = Quote("USDCHF", book.now, Decimal(0), Decimal(0))
        assert book.order_of(1, symbol="EURCHF").code == "RISK_NO_RATE"

    def test_what_asks_for_less_passes_though_the_market_has_moved(self) -> None:
        book = Limited(self.LIMITS).order_of(10, limit=100).quote("AAPL", 200)
        book.replace(9)
        assert book.code is None
        book.replace(10, limit=101)
        assert book.code == "RISK_ORDER_NOTIONAL"


@pytest.mark.parametrize(
    ("name", "names", "code"),
    [
        ("allowed_brokers", ("elsewhere",), "RISK_BROKER"),
        ("allowed_operations", (Operation.SUPPLY,), "RISK_OPERATION"),
        ("allowed_order_types", (OrderType.LIMIT,), "RISK_ORDER_TYPE"),
        ("allowed_asset_classes", (AssetClass.FX, AssetClass.METALS), "RISK_ASSET_CLASS"),
        ("restricted_symbols", ("MSFT", "AAPL"), "RISK_RESTRICTED"),
    ],
    ids=["RSK-11 brokers", "operations", "RSK-11 types", "RSK-11 classes", "RSK-11 restricted"],
)
@pytest.mark.parametrize("level", list(Level))
def test_lists(level: Level, name: str, names: tuple[str, ...], code: str) -> None:
    if name not in LEVELS[level]:
        return
    right = {
        "allowed_brokers": BROKER,
        "allowed_operations": Operation.SPOT_TRADE,
        "allowed_order_types": OrderType.MARKET,
    }
    assert Limited().limits(Limits(**{name: names}), level).order_of(1).code == code
    if name == "restricted_symbols":
        allowed: tuple[Any, ...] = ("MSFT",)
    else:
        allowed = (*names, right.get(name, AssetClass.EQUITIES))
    book = Limited().limits(Limits(**{name: allowed}), level).order_of(1, limit=100)
    assert book.code is None or name == "allowed_order_types"
    book = Limited().order_of(2, limit=100).limits(Limits(**{name: names}), level)
    if name != "allowed_order_types":
        book.replace(3)
        assert book.code == code


@pytest.mark.parametrize("level", [level for level in Level if "enable_shorting" in LEVELS[level]])
def test_shorting(level: Level) -> None:
    book = Limited().held(10).limits(Limits(enable_shorting=False), level)
    assert book.order_of(11, side=Side.SELL).code == "RISK_SHORTING"
    assert book.order_of(6, side=Side.SELL, limit=100).code is None
    assert book.order_of(5, side=Side.SELL).code == "RISK_SHORTING"
    book.order_id = "ord-3"
    book.replace(11)
    assert book.code == "RISK_SHORTING"
    book.replace(10)
    assert book.code is None


def test_what_is_short_already_may_be_covered() -> None:
    book = Limited().held(-10).limits(Limits(enable_shorting=False))
    assert book.order_of(10, side=Side.COVER).code is None
    assert book.order_of(1, side=Side.SHORT).code == "RISK_SHORTING"


def test_above_the_threshold_a_person_is_asked() -> None:
    book = Limited(stated(approve_above_usd=1_000, approval_timeout_s=90))
    assert book.order_of(10, limit=100).order.state is State.SUBMITTED
    book.replace(11).expect("RequestOpened", state=State.SUBMITTED)
    (request,) = book.order.requests
    assert (request.kind, request.phase, book.order.awaits) == (
        RequestKind.REPLACE,
        Phase.RISK,
        ("approval",),
    )
    book.order_of(10, limit="100.01")
    assert (book.order.state, book.order.awaits) == (State.PENDING_RISK, ("approval",))
    assert book.order.decide_by == book.now + timedelta(seconds=90)


def test_other_gates_are_asked() -> None:
    book = Limited(Limits(gates=("house",))).order_of(1)
    assert (book.order.state, book.order.awaits) == (State.PENDING_RISK, ("house",))


class TestBrokersAccount:
    """RSK-7: the stricter of the broker's figures and ours."""

    def test_the_boundary(self) -> None:
        book = Limited(stated(nav_usd=10_000))
        book.engine.view.account = lambda _broker: BrokerAccount("USD", Decimal(1_000), book.now)
        assert book.order_of(11).code == "RISK_BROKER_MARGIN"
        assert book.order_of(10).code is None

    def test_ours_is_the_stricter(self) -> None:
        book = Limited(stated(nav_usd=1_000))
        book.engine.view.account = lambda _broker: BrokerAccount("USD", Decimal(10_000), book.now)
        assert book.order_of(11).code == "RISK_MARGIN"

    def test_the_accounts_leverage_counts_where_none_is_stated(self) -> None:
        book = Limited(stated(nav_usd=1_000_000))
        book.engine.view.account = lambda _broker: BrokerAccount("USD", Decimal(1_000), book.now, Decimal(10))
        assert book.order_of(101).code == "RISK_BROKER_MARGIN"
        assert book.order_of(100).code is None
        book = Limited(stated(nav_usd=1_000_000, leverage={AssetClass.EQUITIES: Decimal(2)}))
        book.engine.view.account = lambda _broker: BrokerAccount("USD", Decimal(1_000), book.now, Decimal(10))
        assert book.order_of(21).code == "RISK_BROKER_MARGIN"
        assert book.order_of(20).code is None

    def test_in_another_currency(self) -> None:
        book = Limited(stated(nav_usd=10_000))
        book.engine.view.account = lambda _broker: BrokerAccount("EUR", Decimal(1_000), book.now)
        assert book.order_of(1).code == "RISK_NO_RATE"
        book.quote("EURUSD", "1.10")
        assert book.order_of(12).code == "RISK_BROKER_MARGIN"
        assert book.order_of(11).code is None


class TestRsk21:
    """A fund has limits, or says that it has none."""

    @pytest.mark.parametrize(("fund", "code"), [(FUND, "RISK_LIMITS"), (replace(FUND, unlimited=True), None)])
    def test_who_may_trade(self, fund: Fund, code: str | None) -> None:
        assert Playbook(fund).submit(1).answer.decision.code == code

    def test_limits_of_another_level_are_not_the_fund_s(self) -> None:
        book = Limited(firm=stated(max_order_qty=10))
        book.step(Configure((Fund(fund_id="third", broker=BROKER),), ()))
        assert book.order_of(1, fund_id="third").code == "RISK_LIMITS"


def test_the_first_check_speaks_and_the_numbers_stand_in_the_journal() -> None:
    """RSK-26: a decision says by which check, numbers and limits it was made."""
    book = Limited(stated(max_order_qty=10, max_order_notional_usd=1_000, nav_usd=50)).order_of(11)
    decision = book.events[-1].decision
    assert (decision.gate, decision.code) == ("order_qty", "RISK_ORDER_QTY")
    compared = {"value": Decimal(11), "limit": Decimal(10)}
    worth = {
        "notional": Decimal(1_100),
        "margin": Decimal(1_100),
        "margin_before": Decimal(0),
        "equity": Decimal(50),
    }
    assert decision.numbers == compared | worth
    assert decision.limits == {"fund fund": 1}
