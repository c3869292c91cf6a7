"""How an account at an exchange is spoken with."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, ClassVar, Final

from msgspec import Struct, field

from ordergate.adapters.brokers.ccxt.known import known_of
from ordergate.application.ports.brokers import Capabilities, Deduplication
from ordergate.domain.operations import Operation
from ordergate.domain.orders.states import OrderType, TimeInForce

_LIMITS: Final = (
    ("receive_window_ms", 100, 60_000),
    ("deadline_ms", 1, 25_000),
    ("poll_ms", 100, 30_000),
    ("calls", 1, 100),
)
REQUIRES_PRICE: Final = "createMarketBuyOrderRequiresPrice"
"""Set, ccxt refuses a market buy where the exchange takes an amount of money for its quantity."""
_OF_OURS: Final = {
    "recvWindow": "write receive_window_ms: it is what proves that a request never arrived",
    "maxRetriesOnFailure": "nothing is sent again without proof that it did not arrive",
    "maxRetriesOnFailureDelay": "nothing is sent again without proof that it did not arrive",
    "defaultType": "write market",
    "defaultSubType": "write market",
    "fetchMarkets": "write market",
    REQUIRES_PRICE: "without it the quantity of a market buy counts as money: send a limit order",
    "tgtCcy": "it can make the quantity of a market buy count as money: send a limit order",
}
"""Options of ccxt's that ordergate sets or leaves as they are, and what to do instead of setting them."""
_NAMED: Final = {
    **_OF_OURS,
    **{f"default{name[0].upper()}{name[1:]}": instead for name, instead in _OF_OURS.items()},
}
"""With ccxt's other name of each."""
MARGIN_S: Final = 2.0
"""By how much clocks may be wrong, beyond the window, before an absence counts as proven."""


def _paths(options: dict[str, Any], at: str) -> Iterator[str]:
    for name, value in options.items():
        yield f"{at}.{name}"
        if isinstance(value, dict):
            yield from _paths(value, f"{at}.{name}")


class Wallet(StrEnum):
    """Which of an exchange's accounts: coins themselves, or perpetuals that are settled in a currency."""

    SPOT = "spot"
    LINEAR = "linear"


_TRADES: Final = {Wallet.SPOT: Operation.SPOT_TRADE, Wallet.LINEAR: Operation.PERP_TRADE}


class CcxtSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account at an exchange, reached through ccxt. One wallet is one broker: spot and perpetuals are two.

    Attributes:
        exchange: as ccxt calls it, such as binance.
        market: spot, or linear for perpetuals that are settled in their quote currency.
        symbols: what is traded here, as ccxt calls it: `BTC/USDT`, or `BTC/USDT:USDT` for a perpetual. Nothing else
            is sent, looked up or told.
        sandbox: the exchange's own trial venue, where it has one.
        receive_window_ms: for how long after its time of sending the exchange may take a request; more is refused by
            it, which on spot is what proves that a request without an answer never arrived.
        deadline_ms: how long a call may take before what became of it counts as unknown; at most 25 s.
        poll_ms: how often the account is read beside its stream, which may have lost something; at most
            30 s, for the free margin that is read with it soon is too old to count.
        calls: how many calls may be under way at once.
        options: handed to ccxt as they are; those that ordergate sets itself are refused at any depth, for ccxt
            looks for an option of a call in the table of that call first.
        api_key_env, api_key_file, api_key_secret, secret_env, secret_file, secret, password_env, password_file,
            password_secret: where the key, its secret and, where the exchange has one, its passphrase are.
    """

    SECRETS: ClassVar[tuple[str, ...]] = ("api_key", "secret", "password")

    exchange: str = "binance"
    market: Wallet = Wallet.SPOT
    symbols: tuple[str, ...] = ()
    sandbox: bool = False
    receive_window_ms: int = 5_000
    deadline_ms: int = 10_000
    poll_ms: int = 15_000
    calls: int = 4
    options: dict[str, Any] = field(default_factory=dict)
    api_key_env: str | None = None
    api_key_file: str | None = None
    api_key_secret: str | None = None
    secret_env: str | None = None
    secret_file: str | None = None
    secret: str | None = None
    password_env: str | None = None
    password_file: str | None = None
    password_secret: str | None = None

    def __post_init__(self) -> None:
        for name, least, most in _LIMITS:
            value: int = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(f"{name} is {value}: it must be from {least} to {most}")
        for path in _paths(self.options, "options"):
            instead = _NAMED.get(path.rpartition(".")[2])
            if instead is not None:
                raise ValueError(f"{path}: is set by ordergate: take it out: {instead}")
        such = "BTC/USDT:USDT" if self.market is Wallet.LINEAR else "BTC/USDT"
        if not self.symbols:
            raise ValueError(f'symbols: is missing: write what is traded here, such as ["{such}"]')
        if len(set(self.symbols)) < len(self.symbols):
            raise ValueError("symbols: one is written twice: write each once")
        for symbol in self.symbols:
            pair, colon, settled = symbol.partition(":")
            base, slash, quote = pair.partition("/")
            good = base and slash and quote and (settled == quote if colon else True)
            if not good or bool(colon) != (self.market is Wallet.LINEAR):
                raise ValueError(
                    f"symbols: {symbol!r} is no symbol of market = {str(self.market)!r}: write such as {such}"
                )

    @property
    def window_s(self) -> float:
        """The receive window."""
        return self.receive_window_ms / 1000

    def capabilities(self) -> Capabilities:
        """What is known of the exchange, and of the way in which ccxt reaches it."""
        known = known_of(self.exchange)
        return Capabilities(
            order_types=frozenset({OrderType.MARKET, OrderType.LIMIT}),
            tifs=frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK}),
            deduplication=Deduplication.WHILE_OPEN if known.deduplicates else Deduplication.NONE,
            proves_absence=known.absent_code is not None and self.market is Wallet.SPOT,
            grace_s=self.window_s + MARGIN_S + 1,
            replaces=False,
            calls=self.calls,
            statements=True,
            operations=frozenset({_TRADES[self.market]}),
            remembers_s=known.remembers_s,
        )
