"""The settings of a MetaTrader 4 account: what cannot be is said, with what would be right."""

from typing import Any

import pytest

from ordergate.adapters.brokers.mt4 import Mt4Settings
from ordergate.config import Config, ConfigError, assembled

GOOD: dict[str, Any] = {
    "adapter": "mt4",
    "folder": "/mnt/mt4/Files/ordergate",
    "symbols": {"EURUSD": "EURUSD.r"},
}


def config(**change: Any) -> Config:
    section = {name: value for name, value in {**GOOD, **change}.items() if value is not None}
    return assembled({"brokers": {"paper": {}, "retail": section}}, "orders.toml")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"folder": None}, "folder: is missing"),
        ({"folder": "Files/ordergate"}, "is no absolute path"),
        ({"symbols": None}, "symbols: is missing"),
        ({"symbols": {"EURUSD": ""}}, "symbols.EURUSD: '' is no symbol of a terminal"),
        ({"symbols": {"EURUSD": "EURUSD.very.long"}}, "write 1 to 12 letters"),
        ({"symbols": {"EURUSD": "EUR\u20acUSD"}}, "is no symbol of a terminal"),
        ({"symbols": {"EURUSD": "EU", "GBPUSD": "EU"}}, "EURUSD and GBPUSD are both EU"),
        ({"deadline_ms": 25_001}, "deadline_ms is 25001: it must be from 100 to 25000"),
        ({"poll_ms": 1}, "poll_ms is 1"),
        ({"max_slippage_points": -1}, "max_slippage_points is -1"),
        ({"quiet_s": 0}, "quiet_s is 0"),
        ({"max_calls_per_s": 0}, "max_calls_per_s"),
        ({"folders": "x"}, "folders"),
    ],
)
def test_what_cannot_be(change: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match="retail") as error:
        config(**change)
    assert text in str(error.value)


@pytest.mark.parametrize("folder", ["/mnt/mt4", "C:\\Terminal\\MQL4\\Files\\ordergate", "//server/share/x"])
def test_what_can_be(folder: str) -> None:
    section = config(folder=folder).brokers["retail"]
    assert isinstance(section, Mt4Settings)
    assert section.folder == folder
    assert section.symbols == {"EURUSD": "EURUSD.r"}
