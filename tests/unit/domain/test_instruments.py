"""What can be traded: the catalogue, ticks and lots."""

from decimal import Decimal

import pytest

from ordergate.domain.errors import Code, Invalid
from ordergate.domain.instruments import AssetClass, Unit, built_in

D = Decimal
CATALOGUE = [
    # symbol, class, unit, tick, lot step, minimum, contract size, base, currency, pip
    ("EURUSD", "fx", "lots", "0.00001", "0.01", "0.01", "100000", "EUR", "USD", "0.0001"),
    ("USDJPY", "fx", "lots", "0.001", "0.01", "0.01", "100000", "USD", "JPY", "0.01"),
    ("EURGBP", "fx", "lots", "0.00001", "0.01", "0.01", "100000", "EUR", "GBP", "0.0001"),
    ("CHFJPY", "fx", "lots", "0.001", "0.01", "0.01", "100000", "CHF", "JPY", "0.01"),
    ("XAUUSD", "metals", "lots", "0.001", "0.01", "0.01", "100", "XAU", "USD", "0.1"),
    ("BTC/USDT", "crypto", "coins", "0.01", "0.00001", "0.00001", "1", "BTC", "USDT", None),
    ("ETH/USDT", "crypto", "coins", "0.01", "0.0001", "0.0001", "1", "ETH", "USDT", None),
    ("AAPL", "equities", "shares", "0.01", "1", "1", "1", "AAPL", "USD", None),
    ("F", "equities", "shares", "0.01", "1", "1", "1", "F", "USD", None),
]


@pytest.mark.parametrize("row", CATALOGUE, ids=lambda row: row[0])
def test_the_catalogue(row: tuple[str, ...]) -> None:
    found = built_in(row[0])
    assert found is not None
    numbers = (found.tick, found.lot_step, found.minimum, found.contract_size)
    assert (found.symbol, found.asset_class, found.unit) == (row[0], AssetClass(row[1]), Unit(row[2]))
    assert numbers == tuple(map(D, row[3:7]))
    assert (found.base, found.currency) == row[7:9]
    assert found.pip_size == (None if row[9] is None else D(row[9]))


@pytest.mark.parametrize("symbol", [
    "", "eurusd", "USDEUR", "JPYUSD", "EUREUR", "EURXXX", "XXXUSD", "XAGUSD", "GOOGLE", "BRK.B", "BTCUSDT", "BTC-USD",
    "A1", "ÄPPLE", "AAPL ",
])  # fmt: skip
def test_anything_else_is_unknown(symbol: str) -> None:
    assert built_in(symbol) is None


def test_all_pairs_are_quoted_one_way_round() -> None:
    currencies = ("EUR", "GBP", "AUD", "NZD", "USD", "CAD", "CHF", "JPY")
    pairs = [base + quote for base in currencies for quote in currencies if built_in(base + quote)]
    assert len(pairs) == 28
    assert not [pair for pair in pairs if pair[3:] + pair[:3] in pairs]


@pytest.mark.parametrize(("symbol", "quantity", "code"), [
    ("EURUSD", "0.01", None), ("EURUSD", "1.23", None), ("EURUSD", "0.001", Code.BELOW_MINIMUM),
    ("EURUSD", "0.015", Code.OFF_LOT), ("AAPL", "1", None), ("AAPL", "1.5", Code.OFF_LOT),
    ("AAPL", "0.5", Code.BELOW_MINIMUM), ("BTC/USDT", "0.00001", None), ("BTC/USDT", "0.000011", Code.OFF_LOT),
    ("AAPL", "999999999999999999", None),
])  # fmt: skip
def test_quantities(symbol: str, quantity: str, code: Code | None) -> None:
    instrument = built_in(symbol)
    assert instrument is not None
    if code is None:
        instrument.check_quantity(D(quantity))
        return
    with pytest.raises(Invalid) as caught:
        instrument.check_quantity(D(quantity))
    assert (caught.value.code, caught.value.pointer) == (code, "#/quantity")
    assert quantity in caught.value.detail


@pytest.mark.parametrize(("symbol", "price", "fits"), [
    ("EURUSD", "1.08123", True), ("EURUSD", "1.081234", False), ("USDJPY", "150.123", True),
    ("USDJPY", "150.1234", False), ("AAPL", "180.5", True), ("AAPL", "180.505", False),
])  # fmt: skip
def test_prices(symbol: str, price: str, fits: bool) -> None:
    instrument = built_in(symbol)
    assert instrument is not None
    if fits:
        instrument.check_price(D(price), "#/limit_price")
        return
    with pytest.raises(Invalid) as caught:
        instrument.check_price(D(price), "#/limit_price")
    assert (caught.value.code, caught.value.pointer) == (Code.OFF_TICK, "#/limit_price")
