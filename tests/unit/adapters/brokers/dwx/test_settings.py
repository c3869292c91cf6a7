"""The section, and what it says of an order: what the expert advisor would cut is refused before it is sent."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.adapters.brokers.dwx import DwxSettings
from ordergate.adapters.brokers.dwx.terms import Refused, terms_of, written
from ordergate.application.ports.brokers import Deduplication, Send
from ordergate.config import ConfigError, DwxBroker, load
from ordergate.domain.instruments import Instrument, built_in
from ordergate.domain.operations import Operation
from ordergate.domain.orders.states import OrderType, Side, TimeInForce

SETTINGS = DwxSettings(
    folder="DWX",
    symbols={"EURUSD": "EURUSD.r", "BTC/USDT": "BTC", "AAPL": "AAPL.us"},
    lot_sizes={"BTC/USDT": Decimal(100)},
)
GOOD = Send(
    client_id="one.1",
    symbol="EURUSD",
    side=Side.BUY,
    quantity=Decimal("0.1"),
    order_type=OrderType.MARKET,
    tif=TimeInForce.GTC,
)
TOML = """
[funds.alpha]
broker = "old"
[signals]
fund = "alpha"
[brokers.old]
adapter = "dwx"
folder = "/mnt/terminal/MQL4/Files/DWX"
symbols = { EURUSD = "EURUSD.r", XAUUSD = "GOLD" }
lot_sizes = { XAUUSD = "100" }
deadline_ms = 5000
"""


def fine(symbol: str) -> Instrument | None:
    """As it is built in, in smaller steps than the files carry."""
    found = built_in(symbol)
    return found and replace(
        found, tick=Decimal("0.000001"), lot_step=Decimal("0.001"), minimum=Decimal("0.001")
    )


def test_a_section_is_read(tmp_path: Path) -> None:
    file = tmp_path / "ordergate.toml"
    file.write_text(TOML)
    section = load(file).brokers["old"]
    assert isinstance(section, DwxBroker)
    assert section.symbols["EURUSD"] == "EURUSD.r"
    assert section.lot_sizes == {"XAUUSD": Decimal(100)}


@pytest.mark.parametrize(
    ("was", "now", "why"),
    [
        ("deadline_ms = 5000", "deadline_ms = 60000", "deadline_ms is 60000: it must be from 100 to 25000"),
        ("deadline_ms = 5000", "quiet_ms = 500", "quiet_ms is 500: it must be from 1500"),
        ("deadline_ms = 5000", 'platform = "mt5"', 'use adapter = "mt5"'),
        ('XAUUSD = "GOLD" }', 'XAUUSD = "A,B" }', "symbols.XAUUSD is 'A,B'"),
        ('XAUUSD = "GOLD" }', 'XAUUSD = "EURUSD.r" }', "two have the same name"),
        ('XAUUSD = "100"', 'XAGUSD = "100"', "lot_sizes.XAGUSD: is none of symbols"),
        ('XAUUSD = "100"', 'XAUUSD = "-1"', "lot_sizes.XAUUSD is -1: it must be above 0"),
        ('folder = "/mnt/terminal/MQL4/Files/DWX"', 'folder = ""', "folder: is empty"),
        ('symbols = { EURUSD = "EURUSD.r", XAUUSD = "GOLD" }', "symbols = {}", "symbols: is missing"),
    ],
)
def test_a_wrong_section_says_what_would_be_right(was: str, now: str, why: str, tmp_path: Path) -> None:
    assert was in TOML
    file = tmp_path / "ordergate.toml"
    file.write_text(TOML.replace(was, now))
    with pytest.raises(ConfigError) as found:
        load(file)
    assert why in str(found.value)


def test_two_brokers_have_no_folder_together(tmp_path: Path) -> None:
    file = tmp_path / "ordergate.toml"
    other = TOML[TOML.index("[brokers.old]") :].replace("[brokers.old]", "[brokers.new]")
    file.write_text(TOML + other.replace("Files/DWX", "Files/../Files/DWX"))
    with pytest.raises(ConfigError, match=r"brokers\.new\.folder: is that of old too"):
        load(file)
    file.write_text(TOML + other.replace("Files/DWX", "Files/DWX2"))
    assert set(load(file).brokers) == {"old", "new"}


def test_it_is_echo_only() -> None:
    can = SETTINGS.capabilities()
    assert can.deduplication is Deduplication.NONE
    assert not can.proves_absence
    assert can.calls == 1
    assert can.grace_s >= 1


@pytest.mark.parametrize(
    ("side", "kind", "said"),
    [
        (Side.BUY, OrderType.MARKET, "buy"),
        (Side.COVER, OrderType.MARKET, "buy"),
        (Side.SHORT, OrderType.MARKET, "sell"),
        (Side.BUY, OrderType.LIMIT, "buylimit"),
        (Side.SELL, OrderType.LIMIT, "selllimit"),
        (Side.BUY, OrderType.STOP, "buystop"),
        (Side.SHORT, OrderType.STOP, "sellstop"),
    ],
)
def test_each_type(side: Side, kind: OrderType, said: str) -> None:
    price = Decimal("1.10000")
    send = replace(GOOD, side=side, order_type=kind, limit_price=price, stop_price=price)
    terms = terms_of(send, SETTINGS, SETTINGS.capabilities(), built_in)
    assert (terms.type, terms.price) == (said, 0 if kind is OrderType.MARKET else price)


def test_what_is_not_counted_in_lots_needs_the_size_of_one() -> None:
    can = SETTINGS.capabilities()
    coins = replace(GOOD, symbol="BTC/USDT", quantity=Decimal(50))
    terms = terms_of(coins, SETTINGS, can, built_in)
    assert (terms.lots, terms.unit) == (Decimal("0.5"), Decimal(100))
    with pytest.raises(Refused, match=r"write lot_sizes\.AAPL, how much AAPL one lot is"):
        terms_of(replace(GOOD, symbol="AAPL", quantity=Decimal(1)), SETTINGS, can, built_in)
    with pytest.raises(Refused, match="two digits of lots"):
        terms_of(replace(coins, quantity=Decimal("50.5")), SETTINGS, can, fine)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"quantity": Decimal("0.105")}, "the files carry two digits of lots"),
        ({"order_type": OrderType.LIMIT, "limit_price": Decimal("1.100005")}, "five digits behind the point"),
        ({"stop_loss": Decimal("1.000001")}, "stop_loss is 1.000001: the files carry five digits"),
        ({"take_profit": Decimal(-1)}, "take_profit is -1: it must be a number above zero"),
        ({"order_type": OrderType.STOP}, "stop_price is None"),
        ({"order_type": OrderType.STOP_LIMIT}, "takes no stop_limit orders"),
        ({"tif": TimeInForce.IOC}, "takes no ioc orders"),
        ({"symbol": "GBPUSD"}, "GBPUSD is none of symbols"),
        ({"operation": Operation.STAKE}, "does no stake"),
    ],
)
def test_what_is_refused_before_it_is_sent(change: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused, match=why):
        terms_of(replace(GOOD, **change), SETTINGS, SETTINGS.capabilities(), fine)


@pytest.mark.parametrize("field", ['say "hi"', "a,b", "a|b", "<:", "ü", "a\nb", "a\\b"])
def test_what_would_break_a_command_is_not_written(field: str) -> None:
    with pytest.raises(Refused, match="cannot be written into a command"):
        written("EURUSD", field)
    assert written("EURUSD", Decimal("0.10"), 5) == "EURUSD,0.10,5"
