"""A market and signals out of a seed, for a demonstration without files.

One session of the US stock exchanges (Monday 2026-03-02, 14:30 to 21:00 UTC), when currencies, stocks and
coins all trade. Prices walk at random in whole ticks; the only source is `Random.randrange`, whose numbers
for a seed are the same in every supported Python. It resembles a market, it is no model of one.
"""

import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct

from ordergate.domain.market import Quote
from ordergate.domain.money import EXACT, plain
from ordergate.domain.signals import Signal, parse_signal
from ordergate.domain.times import format_time

OPEN: Final = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
_QUOTES: Final = 3_000
_EVERY_MS: Final = 7_800
# Quotes come on whole milliseconds, signals half a millisecond later: so none is at the same time as a quote.
_OFF_QUOTES: Final = timedelta(microseconds=500)


class _Size(Struct, frozen=True):
    """Sizes in steps: one quote in three shows the small range, so that larger orders fill in parts."""

    step: Decimal
    small: tuple[int, int]
    usual: tuple[int, int]


class _Market(Struct, frozen=True, kw_only=True):
    """How a symbol's quotes are made; prices and distances in ticks.

    `moves` times the number of quotes stays below `start`: no seed walks to zero.
    """

    symbol: str
    tick: Decimal
    start: int
    moves: int
    widest: int
    stop: int
    size: _Size | None


_MARKETS: Final = (
    _Market(symbol="EURUSD", tick=Decimal("0.00001"), start=108_450, moves=6, widest=3, stop=150, size=None),
    _Market(
        symbol="AAPL",
        tick=Decimal("0.01"),
        start=26_412,
        moves=4,
        widest=3,
        stop=180,
        size=_Size(Decimal(10), (2, 9), (10, 40)),
    ),
    _Market(
        symbol="BTC/USDT",
        tick=Decimal("0.01"),
        start=6_731_250,
        moves=1_500,
        widest=400,
        stop=60_000,
        size=_Size(Decimal("0.01"), (5, 20), (30, 250)),
    ),
)
_MARKET: Final = {market.symbol: market for market in _MARKETS}


def synthetic_quotes(seed: int) -> Iterator[Quote]:
    """3,000 quotes of EURUSD, AAPL and BTC/USDT in turn, by time; the same seed gives the same quotes.

    Sizes are in shares and coins; those of EURUSD are None (unlimited).
    """
    rng = random.Random(seed)  # noqa: S311 - prices of a demonstration, not secrets
    bids = {market.symbol: market.start for market in _MARKETS}
    for number in range(_QUOTES):
        market = _MARKETS[number % len(_MARKETS)]
        bids[market.symbol] += _between(rng, -market.moves, market.moves)
        bid = bids[market.symbol]
        yield Quote(
            symbol=market.symbol,
            time=OPEN + timedelta(milliseconds=number * _EVERY_MS + rng.randrange(_EVERY_MS)),
            bid=_price(market, bid),
            ask=_price(market, bid + _between(rng, 1, market.widest)),
            bid_size=_size(rng, market.size),
            ask_size=_size(rng, market.size),
        )


def _between(rng: random.Random, least: int, most: int) -> int:
    return least + rng.randrange(most - least + 1)


def _price(market: _Market, ticks: int) -> Decimal:
    return plain(EXACT.multiply(market.tick, Decimal(ticks)))


def _size(rng: random.Random, size: _Size | None) -> Decimal | None:
    if size is None:
        return None
    steps = _between(rng, *(size.small if rng.randrange(3) == 0 else size.usual))
    return plain(EXACT.multiply(size.step, Decimal(steps)))


class _Plan(Struct, frozen=True):
    """A signal before its prices are known."""

    minute: int
    symbol: str
    action: str
    quantity: str
    strategy: str
    more: Mapping[str, object] = {}


_UNKNOWN_SYMBOL: Final = "DOGE/USDT"
_UNKNOWN_PRICE: Final = Decimal("0.18")
# BTC/USDT ends flat; of EURUSD and AAPL a part stays open, to be seen with its lots.
_PLANS: Final = (
    _Plan(10, "EURUSD", "buy", "0.5", "fx-trend"),
    _Plan(25, "AAPL", "buy", "300", "us-momentum"),
    _Plan(40, "BTC/USDT", "buy", "0.75", "coin-breakout"),
    _Plan(70, "EURUSD", "sell", "0.2", "fx-trend"),
    _Plan(90, "AAPL", "buy", "200", "us-momentum", {"approved": False}),
    _Plan(110, "BTC/USDT", "sell", "0.25", "coin-breakout"),
    _Plan(135, "AAPL", "buy", "500", "us-reversal"),
    _Plan(160, _UNKNOWN_SYMBOL, "buy", "1000", "coin-breakout"),
    _Plan(200, "EURUSD", "buy", "1", "fx-carry", {"risk_approval_status": "rejected"}),
    _Plan(250, "AAPL", "sell", "650", "us-reversal"),
    _Plan(290, "EURUSD", "sell", "0.1", "fx-trend"),
    _Plan(320, "BTC/USDT", "sell", "0.5", "coin-breakout"),
)
_REPLAYED: Final = 1
_REPLAY_MINUTE: Final = 180


def synthetic_signals(seed: int) -> list[tuple[datetime, Signal]]:
    """13 signals with the moments at which they arrive, by time, for the quotes of the same seed.

    The entry price is the side of the last quote that the order would touch. Four make no order of their own:
    one is not approved, one was rejected, one names an unknown symbol, and one is an earlier signal that
    arrives again, with its content (and own time) unchanged.
    """
    quotes = list(synthetic_quotes(seed))
    timed = [_signal(number, plan, quotes) for number, plan in enumerate(_PLANS, 1)]
    timed.append((_at(_REPLAY_MINUTE), timed[_REPLAYED][1]))
    return sorted(timed, key=lambda pair: pair[0])


def _at(minute: int) -> datetime:
    return OPEN + timedelta(minutes=minute) + _OFF_QUOTES


def _signal(number: int, plan: _Plan, quotes: list[Quote]) -> tuple[datetime, Signal]:
    at = _at(plan.minute)
    entry, stop, profit = _prices(plan, at, quotes)
    body = {
        "signal_id": f"demo-{number:02}",
        "symbol": plan.symbol,
        "signal_type": plan.action,
        "entry_price": entry,
        "stop_loss": stop,
        "take_profit": profit,
        "position_size": plan.quantity,
        "strategy_id": plan.strategy,
        "time": format_time(at),
        **plan.more,
    }
    return at, parse_signal(body)


def _prices(plan: _Plan, at: datetime, quotes: list[Quote]) -> tuple[Decimal, Decimal | None, Decimal | None]:
    """Entry price, stop loss and take profit: against the trade, and twice as far along with it."""
    market = _MARKET.get(plan.symbol)
    if market is None:
        return _UNKNOWN_PRICE, None, None
    quote = next(q for q in reversed(quotes) if q.symbol == plan.symbol and q.time <= at)
    buys = plan.action == "buy"
    entry = quote.ask if buys else quote.bid
    risk = _price(market, market.stop if buys else -market.stop)
    return entry, plain(entry - risk), plain(entry + 2 * risk)
