"""Trades of an exchange of which nothing is known: a page that may be cut off is never taken for all."""

import asyncio
from typing import Any, ClassVar

import pytest

from ordergate.adapters.brokers.ccxt.known import UNKNOWN
from ordergate.adapters.brokers.ccxt.link import Link
from ordergate.adapters.brokers.ccxt.reading import Told, Unreadable

BEGIN = 1_790_000_000_000
SYMBOL = "BTC/USDT"


class Newest:
    """An exchange that tells the newest of the trades that are asked for, and no more than its limit."""

    has: ClassVar[dict[str, bool]] = {}
    markets: ClassVar[dict[str, Any]] = {SYMBOL: {"symbol": SYMBOL, "contract": False}}

    def __init__(self, times: list[int], limit: int | None = 100) -> None:
        self.times, self.limit = times, limit

    def milliseconds(self) -> int:
        return BEGIN + 600_000

    def feature_value(self, _symbol: str, _method: str, _name: str) -> int | None:
        return self.limit

    async def fetch_my_trades(self, _symbol: str, since: int, limit: int, more: dict[str, Any]) -> list[Any]:
        until = more.get("until", self.milliseconds())
        asked = [(n, at) for n, at in enumerate(self.times) if since <= at <= until]
        return [
            {"id": str(n), "order": "7", "side": "buy", "amount": "0.001", "price": "50000", "timestamp": at}
            for n, at in asked[-min(limit, self.limit or 100) :]
        ]


def trades(exchange: Newest, since: int = BEGIN - 1_000) -> list[Told]:
    return asyncio.run(Link(exchange, UNKNOWN).trades(SYMBOL, since))


@pytest.mark.parametrize("many", [0, 1, 99, 100, 101, 150, 590])
def test_all_are_told_however_many_there_are(many: int) -> None:
    told = trades(Newest([BEGIN + number * 1_000 for number in range(many)]))
    assert [one.exec_id for one in told] == [f"{SYMBOL}#{number}" for number in range(many)]


def test_those_of_days_ago_are_told_too() -> None:
    days = [BEGIN - day * 86_400_000 for day in (3, 2, 1)]
    crowded = [at + number for at in days for number in range(130)]
    assert len(trades(Newest(crowded), days[0] - 1_000)) == 390


def test_what_cannot_be_told_whole_is_not_told() -> None:
    with pytest.raises(Unreadable, match="of one moment"):
        trades(Newest([BEGIN] * 150))
    with pytest.raises(Unreadable, match="how many trades"):
        trades(Newest([BEGIN], limit=None))
