"""RSK-3, RSK-4, RSK-12: how fast orders and messages may come, how often a strategy may run, and orders made twice."""

from datetime import timedelta
from decimal import Decimal

import pytest

from ordergate.application.entry import Origin
from ordergate.domain.errors import Invalid, NotFound
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.states import OrderType, RequestKind, Side, State
from ordergate.domain.risk.commands import EnableStrategy
from ordergate.domain.risk.limits import LEVELS, Level, Limits
from ordergate.domain.risk.throttles import SECOND, Window
from tests.unit.domain.risk.limited import Limited, stated

LIMIT = 5
ORDER_LEVELS = [level for level in Level if "max_orders_per_s" in LEVELS[level]]


def order(key: str, **more: object) -> SubmitOrder:
    fields = {
        "fund_id": "fund", "symbol": "AAPL", "side": Side.BUY, "quantity": Decimal(1),
        "order_type": OrderType.MARKET, "strategy_id": "trend", "key_kind": "idempotency_key", "key": key,
    }  # fmt: skip
    return SubmitOrder(**(fields | more))  # type: ignore[arg-type]


def codes(book: Limited, count: int) -> list[str | None]:
    """Of so many orders in one instant."""
    return [book.submit(1, strategy_id="trend").code for _turn in range(count)]


@pytest.mark.parametrize("level", ORDER_LEVELS)
class TestRates:
    """RSK-3"""

    @pytest.mark.parametrize("name", ["max_orders_per_s", "max_messages_per_s"])
    def test_a_burst_of_ten_times_the_limit(self, level: Level, name: str) -> None:
        book = Limited().limits(Limits(**{name: LIMIT}), level)
        assert codes(book, LIMIT * 10) == [None] * LIMIT + ["RISK_MESSAGE_RATE"] * (LIMIT * 9)

    @pytest.mark.parametrize("name", ["max_orders_per_s", "max_messages_per_s"])
    def test_after_a_second_it_goes_on(self, level: Level, name: str) -> None:
        book = Limited().limits(Limits(**{name: LIMIT}), level)
        codes(book, LIMIT)
        first = min(o.created_at for o in book.engine.state.orders.rows.values())
        book.now = first + SECOND - timedelta(microseconds=1)
        assert codes(book, 1) == ["RISK_MESSAGE_RATE"]
        book.now = first + SECOND
        assert codes(book, 2) == [None, "RISK_MESSAGE_RATE"], "one of them is a second ago"
        book.now += 2 * SECOND
        assert codes(book, LIMIT + 1) == [None] * LIMIT + ["RISK_MESSAGE_RATE"]

    def test_replaces_are_messages_and_no_orders(self, level: Level) -> None:
        book = (
            Limited().limits(Limits(max_orders_per_s=1, max_messages_per_s=3), level).order_of(1, limit=100)
        )
        book.replace(2)
        book.replace(3)
        assert book.code is None
        book.replace(4)
        assert book.code == "RISK_MESSAGE_RATE"
        assert book.order.quantity == 1

    def test_a_reserve_is_kept_for_cancels_and_they_always_pass(self, level: Level) -> None:
        book = Limited().limits(Limits(max_messages_per_s=5, cancel_reserve=2), level)
        assert codes(book, 4) == [None] * 3 + ["RISK_MESSAGE_RATE"]
        for name in ("ord-1", "ord-2", "ord-3"):
            book.order_id = name
            book.cancel()
            assert book.order.open_request(RequestKind.CANCEL) is not None
        assert codes(book, 1) == ["RISK_MESSAGE_RATE"]

    def test_a_reserve_larger_than_the_limit_leaves_nothing_for_orders(self, level: Level) -> None:
        assert codes(Limited().limits(Limits(max_messages_per_s=1, cancel_reserve=2), level), 1) == [
            "RISK_MESSAGE_RATE"
        ]

    def test_previews_count_nothing(self, level: Level) -> None:
        book = Limited().limits(Limits(max_orders_per_s=1, max_messages_per_s=1), level)
        for number in range(5):
            said = book.engine.preview(order(f"preview-{number}"), book.now, Origin())
            assert said.decision.code is None
        assert codes(book, 2) == [None, "RISK_MESSAGE_RATE"]
        said = book.engine.preview(order("one more"), book.now, Origin())
        assert said.decision.code == "RISK_MESSAGE_RATE"


def test_what_was_refused_counts_for_nothing() -> None:
    book = Limited(stated(max_orders_per_s=1, max_order_qty=10))
    assert book.order_of(11).code == "RISK_ORDER_QTY"
    assert codes(book, 2) == [None, "RISK_MESSAGE_RATE"]


def test_another_fund_and_another_strategy_have_their_own_second() -> None:
    book = Limited(strategy=Limits(max_orders_per_s=1)).limits(
        Limits(max_orders_per_s=2), Level.FUND, "other"
    )
    assert codes(book, 2) == [None, "RISK_MESSAGE_RATE"]
    assert book.submit(1, strategy_id="carry").code is None
    assert book.submit(1, strategy_id="carry", fund_id="other").code is None


class TestRuns:
    """RSK-4"""

    def limited(self) -> Limited:
        return Limited(strategy=Limits(max_runs=3))

    def test_one_more_is_refused(self) -> None:
        book = self.limited()
        assert codes(book, 5) == [None, None, None, "RISK_REPEATED", "RISK_REPEATED"]
        assert "a person must enable it again" in str(book.order.reason)
        assert book.submit(1, strategy_id="carry").code is None
        assert book.submit(1).code is None

    def test_what_was_refused_is_no_run_and_a_replace_neither(self) -> None:
        book = self.limited().limits(stated(max_order_qty=10))
        assert book.order_of(11).code == "RISK_ORDER_QTY"
        book.order_of(1, limit=100)
        book.replace(2)
        assert codes(book, 3) == [None, None, "RISK_REPEATED"]
        book.order_id = "ord-2"
        book.replace(3)
        assert book.code is None

    def test_it_survives_a_replay(self) -> None:
        book = self.limited()
        codes(book, 3)
        again = book.replayed()
        assert again.strategies.rows == book.engine.state.strategies.rows
        assert again.strategies.rows["trend"].runs == 3

    def test_a_named_person_enables_it_again(self) -> None:
        book = self.limited()
        codes(book, 4)
        with pytest.raises(Invalid):
            book.by("ann", EnableStrategy(strategy_id="trend", reason=""))
        book.by("ann", EnableStrategy(strategy_id="trend", reason="looked at it")).expect("StrategyEnabled")
        (event,) = book.events
        assert (event.by, event.reason) == ("ann", "looked at it")
        row = book.engine.state.strategies.rows["trend"]
        assert (row.runs, row.enabled_by, row.enabled_at) == (0, "ann", book.entries[-1].time)
        assert codes(book, 4) == [None, None, None, "RISK_REPEATED"]
        assert book.engine.state.strategies.rows["trend"].enabled_by == "ann"
        assert book.replayed().strategies.rows == book.engine.state.strategies.rows

    def test_of_a_strategy_that_nobody_counted(self) -> None:
        with pytest.raises(NotFound):
            Limited().by("ann", EnableStrategy(strategy_id="nobody", reason="why not"))

    def test_previews_are_no_runs(self) -> None:
        book = self.limited()
        for number in range(5):
            assert book.engine.preview(order(f"p-{number}"), book.now, Origin()).decision.code is None
        assert book.engine.state.strategies.get("trend") is None
        assert codes(book, 4)[2:] == [None, "RISK_REPEATED"]


@pytest.mark.parametrize("level", [Level.FUND, Level.STRATEGY])
class TestDuplicates:
    """RSK-12"""

    def limited(self, level: Level) -> Limited:
        return Limited().limits(Limits(duplicate_window_s=10), level).quote("AAPL", 100, pinned=True)

    def test_the_boundary_of_the_window(self, level: Level) -> None:
        book = self.limited(level).order_of(5, limit=100)
        made = book.order.created_at
        book.now = made + timedelta(seconds=10) - timedelta(microseconds=1)
        assert book.order_of(5, limit=100).code == "RISK_DUPLICATE"
        assert "9.999 s ago" in str(book.order.reason)
        book.now = made + timedelta(seconds=10)
        assert book.order_of(5, limit=100).code is None
        assert book.order_of(5, limit=100).code == "RISK_DUPLICATE"

    def test_what_differs_is_no_duplicate(self, level: Level) -> None:
        book = self.limited(level).order_of(5, limit=100)
        assert book.order_of(6, limit=100).code is None
        assert book.order_of(5, limit=101).code is None
        assert book.order_of(5).code is None
        assert book.order_of(5, limit=100, side=Side.SELL).code is None
        assert book.order_of(5, limit=100, symbol="MSFT").code is None

    def test_the_same_key_is_no_other_order(self, level: Level) -> None:
        book = self.limited(level).order_of(5, limit=100)
        book.submit(5, limit=100, strategy_id="trend", key="key-1")
        assert book.answer.replayed
        assert book.order.state is State.SUBMITTED

    def test_an_order_that_was_refused_is_not_remembered(self, level: Level) -> None:
        book = self.limited(level).limits(stated(max_order_qty=1), Level.SYMBOL)
        assert book.order_of(5).code == "RISK_ORDER_QTY"
        assert book.limits(stated(max_order_qty=9), Level.SYMBOL).order_of(5).code is None

    def test_a_preview_is_not_remembered(self, level: Level) -> None:
        book = self.limited(level)
        book.engine.preview(order("p"), book.now, Origin())
        assert book.order_of(1).code is None
        assert book.engine.preview(order("p"), book.now, Origin()).decision.code == "RISK_DUPLICATE"

    def test_a_replace_is_none(self, level: Level) -> None:
        book = self.limited(level).order_of(5, limit=100).order_of(6, limit=100)
        book.replace(5)
        assert book.code is None


def test_a_longer_window_of_one_strategy_is_not_cut_short_by_another_s() -> None:
    book = Limited(strategy=Limits(duplicate_window_s=60)).limits(
        Limits(duplicate_window_s=1), Level.STRATEGY, "carry"
    )
    book.quote("AAPL", 100, pinned=True).order_of(5)
    book.later(30)
    assert book.order_of(7, strategy_id="carry").code is None
    assert book.order_of(5).code == "RISK_DUPLICATE"


def test_a_window_holds_what_lies_within_it() -> None:
    window, start = Window(), Limited().now
    for milliseconds in (0, 400, 900):
        window.add(start + timedelta(milliseconds=milliseconds))
    assert window.count(start + timedelta(milliseconds=999)) == 3
    assert window.count(start + SECOND) == 2
    assert window.count(start + timedelta(milliseconds=1_899)) == 1
    assert window.count(start + timedelta(milliseconds=1_900)) == 0
