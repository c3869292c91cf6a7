"""What funds are worth: by hand, and as the engine values them itself."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import replace

from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application.nav import navs
from ordergate.application.ports.journal import Batch
from ordergate.domain.errors import NotFound
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import Configure
from ordergate.domain.orders.states import Side
from ordergate.domain.risk.account import Period, PeriodKind
from ordergate.domain.risk.commands import ValueFunds
from ordergate.domain.risk.valuation import Market
from ordergate.domain.times import format_time
from ordergate.testing.playbook import START, fill
from tests.unit.domain.risk.limited import FUND, OTHER, Limited, stated

D = Decimal


def market(book: Limited) -> Market:
    return Market(year=2026, quotes=book.engine.view.quotes, rates=book.engine.view.rates)


def shown(book: Limited, at: Market | None = None, fund_id: str | None = "fund", now: datetime | None = None):
    async def main():
        journal = MemoryJournal()
        state = book.engine.state
        rows = {table.name: list(table.rows.values()) for table in state.tables if table.rows}
        await journal.commit(Batch(first=0, lines=(), rows=rows))
        return await navs(journal, at or market(book), now or book.now, fund_id)

    return asyncio.run(main())


def begun() -> Limited:
    """A fund of 10,000 USD that has bought 20 at 100, and sold 5 at 102 for a fee of 1; then 3 are left at 110."""
    book = Limited(stated(nav_usd=10_000))
    book.step(ValueFunds())
    book.submit(20).report(fill("x", 20, 100, fee=D(1), fee_currency="USD"))
    book.submit(5, side=Side.SELL).report(fill("x", 5, 102))
    book.quote("AAPL", 110)
    return book


def test_by_hand() -> None:
    book = begun()
    (nav,) = shown(book)
    assert nav["fund_id"] == "fund"
    assert (nav["began_with_usd"], nav["realized_usd"], nav["unrealized_usd"]) == ("10000", "9", "150")
    assert (nav["nav_usd"], nav["profits"], nav["missing"]) == ("10159", {"USD": "9"}, [])
    for period, began in (("day", "2026-01-05"), ("week", "2026-01-05"), ("month", "2026-01-01")):
        assert nav[period] == {
            "began": began, "nav_usd": "10000", "pnl_usd": "159", "nav_fund": "10000", "pnl_fund": "159",
        }  # fmt: skip


def test_it_is_what_the_loss_limits_measure() -> None:
    book = begun()
    book.now = START + timedelta(days=1)
    before = shown(book)[0]["nav_usd"]
    book.quote("AAPL", 110).step(ValueFunds())
    periods = {p.kind: p.nav_usd for p in book.engine.state.accounts.rows["fund"].periods}
    assert (periods["day"], periods["week"]) == (D(before), 10_000)
    (nav,) = shown(book)
    assert (nav["day"]["pnl_usd"], nav["week"]["pnl_usd"]) == ("0", "159")


def test_a_day_that_nobody_has_valued_has_no_profit_yet() -> None:
    (nav,) = shown(begun(), now=START + timedelta(days=1))
    assert (nav["day"], nav["week"]["pnl_usd"]) == (None, "159")


def test_without_a_quote_there_is_no_worth() -> None:
    book = begun()
    (nav,) = shown(book, Market(year=2026, quotes={}, rates={}))
    assert (nav["nav_usd"], nav["unrealized_usd"], nav["realized_usd"]) == (None, None, "9")
    assert nav["day"] == {
        "began": "2026-01-05", "nav_usd": "10000", "pnl_usd": None, "nav_fund": "10000", "pnl_fund": None,
    }  # fmt: skip
    assert nav["missing"] == ["a quote of AAPL"]


def test_without_a_rate_there_is_no_worth() -> None:
    book = begun()
    book.submit(1, symbol="USDJPY", fund_id="fund", key="yen")
    assert book.order.state == "REJECTED"  # the gate cannot measure it either
    account = book.engine.state.accounts.rows["fund"].plus("JPY", D(-1000))
    book.engine.state.accounts.put(account)
    (nav,) = shown(book)
    assert (nav["nav_usd"], nav["realized_usd"], nav["unrealized_usd"]) == (None, None, "150")
    assert nav["missing"] == ["a rate from JPY to USD"]
    quotes = dict(book.engine.view.quotes)
    quotes["USDJPY"] = Quote(symbol="USDJPY", time=START, bid=D(199), ask=D(201))
    (nav,) = shown(book, Market(year=2026, quotes=quotes, rates={}))
    assert (nav["nav_usd"], nav["realized_usd"]) == ("10154", "4")


def test_a_fund_of_which_nobody_said_what_it_began_with() -> None:
    nav = next(one for one in shown(begun(), fund_id=None) if one["fund_id"] == "other")
    assert (nav["nav_usd"], nav["realized_usd"], nav["unrealized_usd"], nav["day"]) == (None, "0", "0", None)
    assert nav["missing"] == ["nav_usd among the fund's limits: what it began with"]


def test_a_fund_that_there_is_not() -> None:
    with pytest.raises(NotFound, match=r"'nobody' is no fund; there are fund, other"):
        shown(begun(), fund_id="nobody")


def in_euros(rate: str | None = "1.25") -> Limited:
    """The same, of a fund whose currency is the euro, valued for the first time at that rate."""
    book = Limited(stated(nav_usd=10_000))
    book.step(Configure((replace(FUND, base_currency="EUR"), OTHER), ()))
    if rate is not None:
        book.quote("EURUSD", rate)
    book.step(ValueFunds())
    book.submit(20).report(fill("x", 20, 100, fee=D(1), fee_currency="USD"))
    book.submit(5, side=Side.SELL).report(fill("x", 5, 102))
    return book.quote("AAPL", 110)


AMOUNTS = ("nav_fund", "realized_fund", "unrealized_fund")


def test_in_the_currency_of_the_fund_by_hand() -> None:
    book = in_euros()
    before = book.now
    book.later(60).quote("EURUSD", "1.6")
    (nav,) = shown(book)
    assert (nav["nav_usd"], nav["fund_currency"]) == ("10159", "EUR")
    assert nav["fund_rate"] == {"rate": "0.625", "source": "1 / EURUSD", "time": format_time(book.now)}
    assert tuple(nav[name] for name in AMOUNTS) == ("6349.375", "5.625", "93.75")
    # 10,000 dollars were 8,000 euros when the day began: dollars made 159, euros lost 1,650.625 by their rate.
    for period in ("day", "week", "month"):
        assert (nav[period]["pnl_usd"], nav[period]["nav_fund"], nav[period]["pnl_fund"]) == (
            "159", "8000", "-1650.625"
        )  # fmt: skip
    assert nav["missing"] == []
    assert book.now > before


def test_a_fund_in_dollars_has_the_same_twice() -> None:
    (nav,) = shown(begun())
    assert (nav["fund_currency"], nav["fund_rate"]) == (
        "USD", {"rate": "1", "source": "same currency", "time": None}
    )  # fmt: skip
    assert tuple(nav[name] for name in AMOUNTS) == ("10159", "9", "150")
    assert (nav["day"]["nav_fund"], nav["day"]["pnl_fund"]) == ("10000", "159")


def test_without_a_rate_the_worth_is_in_dollars_alone() -> None:
    book = in_euros(None)
    (nav,) = shown(book)
    assert (nav["nav_usd"], nav["day"]["pnl_usd"], nav["fund_rate"]) == ("10159", "159", None)
    assert [nav[name] for name in AMOUNTS] == [None, None, None]
    assert (nav["day"]["nav_fund"], nav["day"]["pnl_fund"]) == (None, None)
    assert nav["missing"] == ["a rate from USD to EUR"]
    # A rate that comes later says what it is worth then, and not what it was worth when the day began.
    book.quote("EURUSD", "1.25")
    (nav,) = shown(book)
    assert (nav["nav_fund"], nav["day"]["nav_fund"], nav["day"]["pnl_fund"]) == ("8127.2", None, None)


def test_money_that_was_paid_in_leaves_no_profit_in_another_currency() -> None:
    """At which rate it came is not known; the next day begins anew."""
    book = in_euros().limits(stated(nav_usd=12_000))
    (nav,) = shown(book)
    assert (nav["nav_fund"], nav["day"]["pnl_usd"], nav["day"]["pnl_fund"]) == ("9727.2", "159", None)
    book.later(86_400).quote("AAPL", 110).quote("EURUSD", "1.25").step(ValueFunds())
    (nav,) = shown(book)
    assert (nav["day"]["nav_fund"], nav["day"]["pnl_fund"], nav["week"]["pnl_fund"]) == ("9727.2", "0", None)


def test_another_currency_begins_with_the_next_period() -> None:
    book = in_euros()
    book.step(Configure((replace(FUND, base_currency="GBP"), OTHER), ()))
    book.quote("GBPUSD", "1.25")
    (nav,) = shown(book)
    assert (nav["fund_currency"], nav["nav_fund"], nav["day"]["nav_fund"], nav["day"]["pnl_fund"]) == (
        "GBP", "8127.2", None, None
    )  # fmt: skip


def test_what_a_period_began_with_is_read_again_as_it_was_written() -> None:
    """Also one of a journal that knew dollars alone."""
    written = Period(PeriodKind.DAY, date(2026, 1, 5), D(10_000))
    assert msgspec.json.encode(written) == b'{"kind":"day","began":"2026-01-05","nav_usd":"10000"}'
    in_base = Period(PeriodKind.DAY, date(2026, 1, 5), D(10_000), "EUR", D(8_000))
    for period in (written, in_base):
        assert msgspec.json.decode(msgspec.json.encode(period), type=Period) == period


def test_time_is_utc() -> None:
    assert shown(begun())[0]["time"] == "2026-01-05T15:00:00.000000Z"
    assert datetime(2026, 1, 5, 15, tzinfo=UTC) == START
