"""Deltas: what a fill does to balances."""

from decimal import Decimal

import pytest

from ordergate.domain.instruments import built_in
from ordergate.domain.orders.executions import Delta, Fill
from ordergate.domain.orders.states import Side
from ordergate.domain.positions.ledger import deltas, position_key
from ordergate.testing.playbook import START, Playbook, bust, fill

D = Decimal


def moved(symbol: str, side: str, quantity: str, price: str, **more: object) -> tuple[Delta, ...]:
    instrument = built_in(symbol)
    assert instrument is not None
    one = Fill(
        fill_id="f", order_id="o", exec_id="x", fund_id="fund", symbol=symbol, side=Side(side), broker="paper",
        time=START, booked_at=START, quantity=D(quantity), price=D(price), **more,  # type: ignore[arg-type]
    )  # fmt: skip
    return deltas(one, one.quantity, instrument)


@pytest.mark.parametrize(("symbol", "side", "quantity", "price", "base", "amount", "currency", "paid"), [
    ("EURUSD", "buy", "0.5", "1.08", "EUR", "50000", "USD", "-54000"),
    ("EURUSD", "sell", "0.5", "1.08", "EUR", "-50000", "USD", "54000"),
    ("USDJPY", "short", "0.01", "150.123", "USD", "-1000", "JPY", "150123"),
    ("XAUUSD", "buy", "2", "2650.5", "XAU", "200", "USD", "-530100"),
    ("AAPL", "cover", "100", "180.4", "AAPL", "100", "USD", "-18040"),
    ("BTC/USDT", "buy", "0.00001", "97000.01", "BTC", "0.00001", "USDT", "-0.9700001"),
])  # fmt: skip
def test_what_is_bought_and_what_is_paid(
    symbol: str, side: str, quantity: str, price: str, base: str, amount: str, currency: str, paid: str
) -> None:
    assert moved(symbol, side, quantity, price) == (
        Delta(f"paper:BaseToken:{base}", D(amount), "trade"),
        Delta(f"paper:BaseToken:{currency}", D(paid), "trade"),
    )


def test_a_fee_is_a_delta_of_its_own() -> None:
    assert moved("AAPL", "sell", "1", "10", fee=D("0.3"), fee_currency="USD")[2:] == (
        Delta("paper:BaseToken:USD", D("-0.3"), "fee"),
    )
    assert moved("AAPL", "sell", "1", "10", fee=D("-0.3"), fee_currency="USD")[2].amount == D("0.3")
    assert len(moved("AAPL", "sell", "1", "10", fee=D("0.3"))) == 2
    assert len(moved("AAPL", "sell", "1", "10", fee_currency="USD")) == 2


def test_keys_name_venue_type_and_symbol() -> None:
    assert position_key("binance", "BTC") == "binance:BaseToken:BTC"
    assert position_key("aave_v3", "aUSDT", "aToken") == "aave_v3:aToken:aUSDT"


def test_a_balance_is_the_sum_of_its_deltas() -> None:
    book = Playbook().submit(1, symbol="EURUSD")
    book.report(fill("x1", "0.4", "1.1", fee=D(2), fee_currency="USD"), fill("x2", "0.6", "1.2"))
    amounts = {key[1]: row.amount for key, row in book.engine.state.balances.rows.items()}
    assert amounts == {"paper:BaseToken:EUR": 100_000, "paper:BaseToken:USD": -116_002}
    book.report(bust("x3", "x1"))
    amounts = {key[1]: row.amount for key, row in book.engine.state.balances.rows.items()}
    assert amounts == {"paper:BaseToken:EUR": 60_000, "paper:BaseToken:USD": -72_000}
