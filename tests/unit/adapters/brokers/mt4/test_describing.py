"""Tables of the configuration that describe the symbols of a MetaTrader 4 terminal."""

import asyncio
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from ordergate.adapters.brokers.mt4.describing import section_of, tables_of
from ordergate.adapters.brokers.mt4.settings import Mt4Settings
from ordergate.adapters.brokers.mt4.wire import Symbol
from ordergate.config import load
from ordergate.domain.errors import StoreError
from ordergate.testing.metatrader4.account import Symbol as Theirs
from ordergate.testing.metatrader4.simulation import Simulation

PAIR = Symbol(
    symbol="EURUSD.r",
    digits=5,
    point=Decimal("0.00001"),
    lot_size=Decimal(100_000),
    lot_min=Decimal("0.01"),
    lot_max=Decimal(50),
    lot_step=Decimal("0.01"),
    stop_level=0,
    tick_size=Decimal("0.00001000"),
    margin=Decimal(1_000),
    trade_allowed=True,
    currency_base="EUR",
    currency_profit="USD",
    execution="market",
)
YEN = {"digits": 3, "point": Decimal("0.001"), "tick_size": Decimal("0.001")}


def test_a_pair_is_an_instrument(tmp_path: Path) -> None:
    file = tmp_path / "ordergate.toml"
    file.write_text(section_of("EURUSD", PAIR))
    instrument = load(file).catalogue("EURUSD")
    assert instrument is not None
    assert (instrument.tick, instrument.pip_size) == (Decimal("0.00001"), Decimal("0.0001"))
    assert (instrument.contract_size, instrument.lot_step) == (Decimal(100_000), Decimal("0.01"))


@pytest.mark.parametrize(
    ("change", "kind", "pip"),
    [
        ({"symbol": "USDJPY", "currency_base": "USD", "currency_profit": "JPY", **YEN}, "fx", "0.01"),
        ({"digits": 4, "point": Decimal("0.0001"), "tick_size": Decimal("0.0001")}, "fx", "0.0001"),
        ({"symbol": "XAUUSD", "currency_base": "XAU", "digits": 2, "point": Decimal("0.01")}, "metals", None),
        ({"symbol": "GER40", "currency_base": "EUR", "currency_profit": "EUR"}, None, None),
        ({"symbol": "AAPL.us", "currency_base": "EUR"}, None, None),
    ],
)
def test_what_the_terminal_does_not_tell_is_left_open(
    change: dict[str, object], kind: str | None, pip: str | None
) -> None:
    (table,) = tomllib.loads(section_of("X.1", replace(PAIR, **change)))["instruments"].values()
    assert (table.get("class"), table.get("pip_size")) == (kind, pip)


def test_the_folder_is_read(tmp_path: Path) -> None:
    def asked(theirs: str) -> dict[str, str]:
        settings = Mt4Settings(folder=str(tmp_path / "bridge"), symbols={"EURUSD": theirs})
        return asyncio.run(tables_of("old", settings))

    with pytest.raises(StoreError, match=r"brokers\.old: .* tells of no symbols: put the expert on a chart"):
        asked("EURUSD.r")
    simulation = Simulation(tmp_path / "bridge", symbols=(Theirs(name="EURUSD.r"),))
    simulation.account.quote("EURUSD.r", Decimal("1.1"), Decimal("1.1001"))
    simulation.cycle(3)
    with pytest.raises(StoreError, match=r"does not tell of EURUSD, but of EURUSD\.r: write one of those"):
        asked("EURUSD")
    assert 'lot_step = "0.01"' in asked("EURUSD.r")["EURUSD"]
    simulation.close()
