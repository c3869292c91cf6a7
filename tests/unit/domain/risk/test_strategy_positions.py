"""RSK-17: what the fills of a strategy's own orders have built in a fund is limited, with all that still works."""

from decimal import Decimal
from typing import Any

import pytest

from ordergate.domain.book import Book
from ordergate.domain.market import Quote
from ordergate.domain.orders.states import Side
from ordergate.domain.risk.limits import Level
from ordergate.testing.playbook import bust, correct
from tests.unit.domain.risk.limited import Limited, stated

OWN = ("fund", "AAPL", "trend")


def limited(**limits: Any) -> Limited:
    return Limited(strategy=stated(**(limits or {"max_position_qty": 10})))


def built(state: Book, key: tuple[str, str, str] = OWN) -> Decimal | None:
    """What a strategy's row says; nothing where there is none."""
    row = state.strategy_positions.get(key)
    return None if row is None else row.quantity


def cell(book: Limited, key: tuple[str, str, str] = OWN) -> tuple[Decimal, ...]:
    found = book.engine.state.exposures.strategy_cell(*key)
    assert found is not None
    return found.held, found.buying, found.selling


def last_exec_id(book: Limited) -> str:
    return list(book.engine.state.fills.rows.values())[-1].exec_id


def test_only_its_own_orders_count() -> None:
    book = limited().held(100, strategy_id="carry").held(100, strategy_id=None)
    book.order_of(100, strategy_id="carry")
    assert book.order_of(11).code == "RISK_POSITION"
    assert "max_position_qty of strategy trend" in str(book.order.reason)
    assert book.order_of(10).code is None
    assert book.order_of(100, strategy_id="carry").code is None
    assert book.order_of(100, strategy_id=None).code is None


def test_each_fund_counts_for_itself() -> None:
    book = limited().limits(stated(), Level.FUND, "other").held(10)
    assert book.order_of(1).code == "RISK_POSITION"
    assert book.order_of(10, fund_id="other").code is None
    assert book.order_of(1, fund_id="other").code == "RISK_POSITION"


def test_each_symbol_counts_for_itself() -> None:
    book = limited().quote("MSFT", 400).held(10)
    assert book.order_of(10, symbol="MSFT").code is None
    assert book.order_of(1, symbol="MSFT").code == "RISK_POSITION"


@pytest.mark.parametrize(("held", "more", "less"), [(15, Side.BUY, Side.SELL), (-15, Side.SHORT, Side.COVER)])
@pytest.mark.parametrize("name", ["max_position_qty", "max_position_usd"])
def test_what_makes_it_smaller_passes_above_the_limit(name: str, held: int, more: Side, less: Side) -> None:
    book = (
        Limited().held(held).limits(stated(**{name: 10 if name.endswith("qty") else 1_000}), Level.STRATEGY)
    )
    assert book.order_of(1, side=more).code == "RISK_POSITION"
    assert book.order_of(26, side=less).code == "RISK_POSITION"
    assert book.order_of(25, side=less).code is None


def test_what_makes_the_fund_s_position_smaller_may_make_the_strategy_s_too_large() -> None:
    book = limited().held(100, strategy_id="carry")
    assert book.order_of(11, side=Side.SELL).code == "RISK_POSITION"
    assert book.order_of(10, side=Side.SELL).code is None


def test_a_fund_s_limit_counts_beside_it() -> None:
    book = Limited(stated(max_position_qty=20), strategy=stated(max_position_qty=10)).held(
        15, strategy_id="carry"
    )
    assert book.order_of(6).code == "RISK_POSITION"
    assert "fund fund" in str(book.order.reason)
    assert book.order_of(5).code is None


def test_worth_is_measured_at_the_market() -> None:
    book = limited(max_position_usd=1_000).held(5)
    book.engine.take_quote(Quote("AAPL", book.now, Decimal(150), Decimal(150)))
    assert book.order_of(2).code == "RISK_POSITION"
    assert book.order_of(1).code is None


def test_without_a_rate_it_is_refused() -> None:
    book = limited(max_position_usd=1_000).quote("EURCHF", "0.95")
    assert book.order_of(1, symbol="EURCHF").code == "RISK_NO_RATE"


def test_what_is_canceled_or_refused_counts_no_more() -> None:
    book = limited().order_of(6, limit=100)
    assert cell(book) == (0, 6, 0)
    book.canceled()
    assert book.order_of(11).code == "RISK_POSITION"
    assert cell(book) == (0, 0, 0)
    assert book.order_of(10).code is None


def test_a_replace_on_its_way_counts_with_more() -> None:
    book = limited().order_of(5, limit=100)
    book.replace(8)
    assert cell(book) == (0, 8, 0)
    assert book.order_of(3).code == "RISK_POSITION"
    assert book.order_of(2).code is None


def test_busts_and_corrections_are_taken_back() -> None:
    book = limited().order_of(10).filled(completes=False)
    assert (built(book.engine.state), cell(book)) == (10, (10, 0, 0))
    book.report(correct("c", last_exec_id(book), 8, 100))
    assert (built(book.engine.state), cell(book)) == (8, (8, 2, 0))
    book.report(bust("b", "c"))
    assert (built(book.engine.state), cell(book)) == (0, (0, 10, 0))
    assert book.replayed().strategy_positions.rows == book.engine.state.strategy_positions.rows


def test_orders_without_strategy_leave_no_trace() -> None:
    book = Limited().held(10, strategy_id=None)
    assert book.engine.state.strategy_positions.rows == {}
    assert not book.engine.state.exposures._of_strategies


def test_flat_it_is_zero_in_plain_form_and_forgotten() -> None:
    """So that who remembers the row and who does not book the same numbers."""
    book = Limited().quote("EURUSD", "1.10")
    key = ("fund", "EURUSD", "trend")
    book.held("0.25", "EURUSD", "1.10").held("-0.25", "EURUSD", "1.10")
    assert str(built(book.engine.state, key)) == "0"
    book.engine.state.settle()
    assert built(book.engine.state, key) is None
    book.held("0.50", "EURUSD", "1.10").held("0.50", "EURUSD", "1.10")
    assert str(built(book.engine.state, key)) == "1"
    assert str(built(book.replayed(), key)) == "1"


def test_it_is_in_no_sum() -> None:
    """Who asks what a fund, a symbol or the firm has is told each share once."""
    with_strategy, without = Limited(stated(nav_usd=10_000)), Limited(stated(nav_usd=10_000))
    for book, strategy_id in ((with_strategy, "trend"), (without, None)):
        book.held(10, strategy_id=strategy_id).order_of(5, strategy_id=strategy_id)
        book.quote("AAPL", 120)
    ours, theirs = with_strategy.engine.state.exposures, without.engine.state.exposures
    for fund_id in ("fund", "other", ""):
        assert ours.sums(fund_id) == theirs.sums(fund_id)
    assert len(list(ours.of_symbol("AAPL"))) == 1
    assert list(ours.symbols()) == ["AAPL"]
    assert ours.strategy_cell("other", "AAPL", "trend") is None


def test_an_undone_step_leaves_it_as_it_was() -> None:
    book = limited().order_of(8).filled(4, completes=False)
    state = book.engine.state
    before, mark = (built(state), cell(book)), state.mark()
    book.order_of(2)
    book.order_id = "ord-1"
    book.filled(3)
    book.canceled()
    assert cell(book) == (7, 2, 0)
    state.undo(mark)
    assert (built(state), cell(book)) == before == (4, (4, 4, 0))
    state.undo()
    assert cell(book) == (0, 0, 0)
    assert built(state) is None


def test_a_restart_counts_what_is_there() -> None:
    book = limited().held(4).order_of(3)
    again = Book()
    for row in book.engine.state.instruments.rows.values():
        again.instruments.load(row)
    for order in book.engine.state.orders.rows.values():
        again.load_order(order, list(book.engine.state.order_executions(order.order_id)))
    for row in book.engine.state.strategy_positions.rows.values():
        again.strategy_positions.load(row)
    found = again.exposures.strategy_cell(*OWN)
    assert found is not None
    assert (found.held, found.buying, found.selling) == cell(book) == (4, 3, 0)


def test_a_position_that_is_loaded_anew_is_not_counted_twice() -> None:
    book = Limited().held(4).held(3, strategy_id="carry").held(2, strategy_id="trend", fund_id="fund")
    book.quote("MSFT", 400).held(1, "MSFT", 400)
    state = book.engine.state
    kept = dict(state.strategy_positions.rows)
    state.forget_position(("fund", "AAPL"))
    assert cell(book) == (0, 0, 0)
    assert list(state.strategy_positions.rows) == [("fund", "MSFT", "trend")]
    for row in kept.values():
        state.strategy_positions.load(row)
    assert cell(book) == (6, 0, 0)
    assert state.strategy_positions.rows == kept
