"""MNY-5: fees, currencies and rounding, each case worked out by hand."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext

import pytest

from ordergate.domain.funds import TaxLotMethod
from ordergate.domain.instruments import built_in
from ordergate.domain.market import Quote
from ordergate.domain.money import EXACT, divide, share
from ordergate.domain.orders.executions import Fill
from ordergate.domain.orders.states import Side
from ordergate.domain.positions.ledger import deltas
from ordergate.domain.positions.position import Position
from ordergate.domain.risk.conversion import Rates
from ordergate.domain.risk.valuation import Market, value
from ordergate.testing.playbook import START
from tests.unit.domain.positions.ledgers import Ledger

D = Decimal
AT = datetime(2026, 3, 2, 15, tzinfo=UTC)

# total, part, whole, places: what the part has
SHARES = [
    ("10", "1", "4", 18, "2.5"),
    ("10", "1", "3", 2, "3.33"),
    ("10", "2", "3", 2, "6.67"),
    ("1", "1", "8", 2, "0.12"),  # 0.125: half to even, down
    ("3", "1", "8", 2, "0.38"),  # 0.375: half to even, up
    ("5", "1", "8", 2, "0.62"),  # 0.625: down
    ("7", "1", "8", 2, "0.88"),  # 0.875: up
    ("-1", "1", "8", 2, "-0.12"),
    ("-3", "1", "8", 2, "-0.38"),
    ("-10", "-1", "-3", 2, "-3.33"),  # a short: the cost is below zero too
    ("11", "1", "3", 18, "3.666666666666666667"),
    ("1", "1", "3", 18, "0.333333333333333333"),
    ("2", "1", "3", 18, "0.666666666666666667"),
    ("0.000000000000000001", "1", "2", 18, "0"),  # half of the last digit goes to the even 0
    ("0.000000000000000003", "1", "2", 18, "0.000000000000000002"),
    ("0.1", "0.3", "0.3", 2, "0.1"),  # all of it is never rounded
    ("0.123456", "5", "5", 2, "0.123456"),
    ("0", "1", "3", 18, "0"),
    ("999999999999999999.99", "1", "3", 2, "333333333333333333.33"),
    ("18050", "40", "100", 18, "7220"),
]


@pytest.mark.parametrize(("total", "part", "whole", "places", "has"), SHARES)
def test_mny_5_a_share(total: str, part: str, whole: str, places: int, has: str) -> None:
    with localcontext(EXACT):
        assert share(D(total), D(part), D(whole), places) == D(has)


# trades (quantity, price) of a fund that averages: cost and realised behind them
AVERAGES = [
    ("100@10 50@16 -75@20", "900", "600"),
    ("100@10 50@16 -75@8", "900", "-300"),
    ("-100@10 -50@16 75@20", "-900", "-600"),
    ("1@1 2@2 -1@3", "3.333333333333333333", "1.333333333333333333"),
    (
        "1@1 2@2 -1@3 -1@3",
        "1.666666666666666667",
        "2.666666666666666667",
    ),  # half of the last digit: to the even 6
    ("1@1 2@2 -1@3 -1@3 -1@3", "0", "4"),
    ("1@1 2@2 -3@3", "0", "4"),
    ("1@1 2@2 -5@3", "-6", "4"),
    ("3@0.01 -1@0.01", "0.02", "0"),
    ("7@1 -3@1 4@2 -2@2", "9", "1"),  # 4 at 1 and 4 at 2: 12 for 8, two of them cost 3
    ("10@1.1 -10@1.1 10@2.2", "22", "0"),
    ("-3@10 1@9 1@9 1@9", "0", "3"),
    ("-3@10.01 1@9", "-20.02", "1.01"),
]


@pytest.mark.parametrize(("trades", "cost", "realized"), AVERAGES)
def test_mny_5_an_average(trades: str, cost: str, realized: str) -> None:
    ledger = Ledger(TaxLotMethod.AVERAGE, D(1))
    for trade in trades.split():
        quantity, price = trade.split("@")
        ledger.trade(D(quantity), D(price))
    assert (ledger.position.cost, ledger.position.realized_pnl) == (D(cost), D(realized))


# fees as paid (or, below zero, as a rebate): sums by currency
FEES = [
    ("0.35 USD", "USD 0.35"),
    ("0.35 USD, 0.35 USD", "USD 0.70"),
    ("0.35 USD, -0.20 USD", "USD 0.15"),
    ("-0.20 USD", "USD -0.20"),
    ("0 USD", ""),
    ("0.00001 BTC, 1.5 USDT", "BTC 0.00001, USDT 1.5"),
    ("1 USD, 1 EUR, 2 USD", "EUR 1, USD 3"),
    ("0.000000000000000001 ETH, 0.000000000000000002 ETH", "ETH 0.000000000000000003"),
    ("5", ""),  # of no currency: nobody knows of what it is
    ("1 USD, bust 1", "USD 0"),
    ("1 USD, 2 USD, bust 1", "USD 2"),
    ("1 EUR, 2 USD, bust 2", "EUR 1, USD 0"),
    ("-1 USD, bust 1", "USD 0"),
]


@pytest.mark.parametrize(("paid", "wanted"), FEES)
def test_mny_5_fees_by_currency(paid: str, wanted: str) -> None:
    ledger = Ledger(TaxLotMethod.FIFO)
    for one in paid.split(", "):
        if one.startswith("bust"):
            ledger.bust(f"f{one[5:]}")
            continue
        fee, _, currency = one.partition(" ")
        ledger.trade(D(1), D(10), fee=D(fee), fee_currency=currency or None)
    assert ledger.position.fees == tuple((c, D(n)) for c, n in (p.split() for p in wanted.split(", ") if p))


# what a fill does to balances
DELTAS = [
    ("AAPL buy 100 180.5 1 USD", "AAPL 100, USD -18050.0, USD -1"),
    ("AAPL sell 100 180.5 1 USD", "AAPL -100, USD 18050.0, USD -1"),
    ("AAPL short 10 180.5 0 USD", "AAPL -10, USD 1805.0"),
    ("AAPL cover 10 180.5 -0.2 USD", "AAPL 10, USD -1805.0, USD 0.2"),
    ("EURUSD buy 0.01 1.10253 0.07 USD", "EUR 1000, USD -1102.53, USD -0.07"),
    ("USDJPY sell 0.1 150.001 3 USD", "USD -10000, JPY 1500010, USD -3"),
    ("BTC/USDT buy 0.015 64000.01 0.000015 BTC", "BTC 0.015, USDT -960.00015, BTC -0.000015"),
    ("XAUUSD buy 1 2000.1 0 USD", None),
]


@pytest.mark.parametrize(("said", "wanted"), DELTAS)
def test_mny_5_deltas(said: str, wanted: str | None) -> None:
    symbol, side, quantity, price, fee, currency = said.split()
    instrument = built_in(symbol)
    assert instrument is not None
    if wanted is None:  # gold: by its contract
        size = instrument.contract_size
        wanted = f"{instrument.base} {size}, USD {-size * D(price)}"
    fill = Fill(
        fill_id="f", order_id="o", exec_id="x", fund_id="fund", symbol=symbol, side=Side(side), broker="v",
        time=START, booked_at=START, quantity=D(quantity), price=D(price), fee=D(fee), fee_currency=currency,
    )  # fmt: skip
    moved = deltas(fill, fill.quantity, instrument)
    assert [(d.position_key.rpartition(":")[2], d.amount) for d in moved] == [
        (name, D(amount)) for name, amount in (one.split() for one in wanted.split(", "))
    ]


QUOTES = {
    symbol: Quote(symbol=symbol, time=AT + timedelta(seconds=number), bid=D(bid), ask=D(ask))
    for number, (symbol, bid, ask) in enumerate(
        [
            ("EURUSD", "1.10", "1.12"),
            ("USDJPY", "150", "160"),
            ("GBPUSD", "1.25", "1.25"),
            ("USDCHF", "0", "0.9"),
        ]
    )
}
FIXED = {"USDT/USD": D(1), "EUR/NOK": D("11.5"), "USD/NOK": D("10")}

# from, to: rate, source, seconds of the quote
CONVERSIONS = [
    ("USD", "USD", "1", "same currency", None),
    ("JPY", "JPY", "1", "same currency", None),
    ("EUR", "USD", "1.11", "EURUSD", 0),
    ("USD", "EUR", "0.900900900900900900900901", "1 / EURUSD", 0),
    ("USD", "JPY", "155", "USDJPY", 1),
    ("JPY", "USD", "0.006451612903225806451613", "1 / USDJPY", 1),
    ("GBP", "USD", "1.25", "GBPUSD", 2),
    ("USD", "GBP", "0.8", "1 / GBPUSD", 2),
    ("USDT", "USD", "1", "fixed USDT/USD", None),
    ("USD", "USDT", "1", "1 / fixed USDT/USD", None),
    ("NOK", "USD", "0.1", "1 / fixed USD/NOK", None),
    ("EUR", "NOK", "11.5", "fixed EUR/NOK", None),  # a direct one goes before the way by the dollar
    ("GBP", "JPY", "193.75", "GBPUSD, USDJPY", 1),
    ("EUR", "GBP", "0.888", "EURUSD, 1 / GBPUSD", 0),
    ("GBP", "NOK", "12.5", "GBPUSD, fixed USD/NOK", 2),
    ("CHF", "USD", None, None, None),  # a bid of zero is no price
    ("SEK", "USD", None, None, None),
    ("SEK", "JPY", None, None, None),
]


@pytest.mark.parametrize(("source", "target", "rate", "by", "seconds"), CONVERSIONS)
def test_mny_5_a_rate_and_where_it_comes_from(
    source: str, target: str, rate: str | None, by: str | None, seconds: int | None
) -> None:
    rates = Rates(FIXED, QUOTES.get)
    found = rates.found(source, target)
    assert rates.rate(source, target) == (None if rate is None else D(rate))
    if rate is None:
        assert found is None
        return
    assert found is not None
    time = None if seconds is None else AT + timedelta(seconds=seconds)
    assert (found.rate, found.source, found.time) == (D(rate), by, time)


# a position: quantity, cost, realised and its year; worth, unrealised, in dollars, with the year's
WORTHS = [
    ("EURUSD 2 220000 500 2026", "220000 0 | 220000 0 500 500"),  # bid 1.10
    ("EURUSD -2 -220000 500 2025", "-224000 -4000 | -224000 -4000 500 0"),  # ask 1.12
    ("EURUSD 0 0 -7 2026", "0 0 | 0 0 -7 -7"),
    ("USDJPY 1 15000000 1550 2026", "15000000 0 | 96774.1935483871 0 10 10"),  # a yen is 1/155 dollar
    ("USDJPY -1 -15000000 -1550 2026", "-16000000 -1000000 | -103225.8064516129 -6451.6129032258 -10 -10"),
    ("AAPL 10 1800 1 2026", "? ? | ? ? 1 1"),  # no quote
    ("USDCHF 1 90000 3 2026", "0 -90000 | 0 ? ? ?"),  # no rate; nothing is nothing in any currency
    ("USDCHF 0 0 0 2026", "0 0 | 0 0 0 0"),
]


@pytest.mark.parametrize(("held", "wanted"), WORTHS)
def test_mny_5_what_a_position_is_worth(held: str, wanted: str) -> None:
    symbol, quantity, cost, realized, year = held.split()
    instrument = built_in(symbol)
    assert instrument is not None
    position = Position(
        fund_id="fund", symbol=symbol, updated_at=AT, quantity=D(quantity), cost=D(cost), realized_pnl=D(realized),
        year=int(year), realized_in_year=D(realized),
    )  # fmt: skip
    worth = value(position, instrument, Market(year=2026, quotes=QUOTES, rates=FIXED), "USD")
    usd = worth.in_usd
    numbers = (
        worth.market_value, worth.unrealized, usd.market_value, usd.unrealized, usd.realized, usd.realized_ytd,
    )  # fmt: skip
    assert worth.in_fund == usd
    assert numbers == tuple(None if n == "?" else D(n) for n in wanted.replace("|", "").split())
    if D(quantity) and symbol in QUOTES:
        quote = QUOTES[symbol]
        assert (worth.price, worth.priced_at) == (quote.bid if D(quantity) > 0 else quote.ask, quote.time)
    else:
        assert (worth.price, worth.priced_at) == (None, None)


# the same in the fund's currency: the position, that currency; worth, unrealised, realised; the rate, its source, seconds
IN_FUNDS = [
    ("EURUSD 2 220000 500 2026", "GBP", "176000 0 400", "0.8", "1 / GBPUSD", 2),
    ("EURUSD -2 -220000 500 2025", "NOK", "-2240000 -40000 5000", "10", "fixed USD/NOK", None),
    ("USDJPY 1 15000000 1550 2026", "JPY", "15000000 0 1550", "1", "same currency", None),
    ("USDJPY 1 15000000 1550 2026", "GBP", "77419.3548387097 0 8", "0.0051612903225806451612904",
     "1 / USDJPY, 1 / GBPUSD", 1),
    ("EURUSD 2 220000 500 2026", "SEK", "? 0 ?", None, None, None),  # no rate; nothing is nothing in any currency
    ("AAPL 10 1800 1 2026", "GBP", "? ? 0.8", "0.8", "1 / GBPUSD", 2),  # no quote
]  # fmt: skip


@pytest.mark.parametrize(("held", "currency", "wanted", "rate", "by", "seconds"), IN_FUNDS)
def test_mny_5_what_a_position_is_worth_in_the_currency_of_the_fund(
    held: str, currency: str, wanted: str, rate: str | None, by: str | None, seconds: int | None
) -> None:
    symbol, quantity, cost, realized, year = held.split()
    instrument = built_in(symbol)
    assert instrument is not None
    position = Position(
        fund_id="fund", symbol=symbol, updated_at=AT, quantity=D(quantity), cost=D(cost), realized_pnl=D(realized),
        year=int(year), realized_in_year=D(realized),
    )  # fmt: skip
    valuation = value(position, instrument, Market(year=2026, quotes=QUOTES, rates=FIXED), currency)
    worth = valuation.in_fund
    numbers = (worth.market_value, worth.unrealized, worth.realized)
    assert numbers == tuple(None if n == "?" else D(n) for n in wanted.split())
    assert worth.currency == currency
    assert (
        valuation.in_usd
        == value(position, instrument, Market(year=2026, quotes=QUOTES, rates=FIXED), "USD").in_fund
    )
    if rate is None:
        assert worth.rate is None
        return
    assert worth.rate is not None
    time = None if seconds is None else AT + timedelta(seconds=seconds)
    assert (worth.rate.rate, worth.rate.source, worth.rate.time) == (D(rate), by, time)


# prices that are shown: to 10 places, half to even
SHOWN = [
    ("10", "3", "3.3333333333"),
    ("20", "3", "6.6666666667"),
    ("1", "80000000000", "0"),
    ("0.00000000005", "1", "0"),
    ("0.00000000015", "1", "0.0000000002"),
    ("-10", "3", "-3.3333333333"),
]


@pytest.mark.parametrize(("cost", "quantity", "shown"), SHOWN)
def test_mny_5_what_is_shown_is_rounded_half_to_even(cost: str, quantity: str, shown: str) -> None:
    assert divide(D(cost), D(quantity), 10) == D(shown)


def test_mny_5_has_as_many_cases_as_it_should() -> None:
    assert sum(map(len, (SHARES, AVERAGES, FEES, DELTAS, CONVERSIONS, WORTHS, SHOWN))) >= 60
