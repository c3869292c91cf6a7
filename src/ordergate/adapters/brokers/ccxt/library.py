"""ccxt itself: imported when it is first needed, unmodified, and watched at the three places where proof arises."""

import importlib
import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final

from msgspec import Struct

from ordergate.adapters.brokers.ccxt.outcomes import Evidence, Rest
from ordergate.adapters.brokers.ccxt.settings import REQUIRES_PRICE, CcxtSettings, Wallet
from ordergate.application.ports.secrets import Secret
from ordergate.domain.errors import OrdergateError

CALL: Final[ContextVar[Evidence | None]] = ContextVar("ordergate_ccxt_call", default=None)
"""Where what is seen of the call under way is kept."""
_NEEDED: Final = (
    "createOrder", "cancelOrder", "fetchOrder", "fetchOpenOrders", "fetchMyTrades", "fetchBalance", "watchOrders",
    "watchMyTrades",
)  # fmt: skip
_BANNED: Final = re.compile(r"banned until ([0-9]{13})\b")
_REST_S: Final = 1.0
"""How long an exchange is left alone that does not say for how long."""
_TYPES: Final = {Wallet.SPOT: "spot", Wallet.LINEAR: "swap"}


class ExchangeError(OrdergateError):
    """An exchange cannot be used as it is configured; the text says what would be right."""


class Credentials(Struct, frozen=True):
    """Who we are at the exchange; each is asked for when it is needed, for it may be rotated."""

    api_key: Callable[[], Secret] | None = None
    secret: Callable[[], Secret] | None = None
    password: Callable[[], Secret] | None = None

    def values(self) -> dict[str, str]:
        """As ccxt takes them."""
        named = (("apiKey", self.api_key), ("secret", self.secret), ("password", self.password))
        return {name: ask().reveal() for name, ask in named if ask is not None}


def check_usable(exchange: str) -> None:
    """Raises ExchangeError where ccxt is missing, has no such exchange, or cannot do there what is needed."""
    has = _class_of(exchange)({}).has
    lacks = [call for call in _NEEDED if not has.get(call)]
    if lacks:
        raise ExchangeError(
            f"exchange: of {exchange} ccxt knows no {', '.join(lacks)}: it cannot be traded at"
        )


def exchange_of(settings: CcxtSettings, credentials: Credentials) -> Any:
    """A new ccxt exchange for streams and calls; nothing is asked yet.

    Its own retries are off, its rate limiter is on, and all numbers are text.

    Raises:
        ExchangeError: ccxt is missing, or has no such exchange.
    """
    linear = settings.market is Wallet.LINEAR
    types = ["linear" if linear else "spot"]
    options = {
        "defaultType": _TYPES[settings.market],
        **({"defaultSubType": "linear"} if linear else {}),
        "recvWindow": settings.receive_window_ms,
        "fetchMarkets": {"types": types},
        "fetchMargins": False,
        "warnOnFetchOpenOrdersWithoutSymbol": False,
        "maxRetriesOnFailure": 0,
        "watchPositions": {"fetchPositionsSnapshot": False, "awaitPositionsSnapshot": False},
        **settings.options,
    }
    exchange = _watched(_class_of(settings.exchange))(
        {
            **credentials.values(),
            "number": str,
            "enableRateLimit": True,
            "timeout": settings.deadline_ms,
            "options": options,
        }
    )
    for table in (exchange.options, exchange.options.get("createOrder")):
        if isinstance(table, dict):  # of OKX it is the name of an address
            table[REQUIRES_PRICE] = True
    exchange.has["fetchCurrencies"] = False  # needs a permission beyond trading, and tells nothing we use
    if settings.sandbox:
        _use_sandbox(exchange, linear=linear)
    return exchange


def _use_sandbox(exchange: Any, *, linear: bool) -> None:
    if linear and hasattr(exchange, "enable_demo_trading"):
        exchange.enable_demo_trading(True)
    else:
        exchange.set_sandbox_mode(True)


def _class_of(exchange: str) -> Any:
    try:
        pro = importlib.import_module("ccxt.pro")
    except ImportError as error:
        raise ExchangeError(
            "an exchange needs ccxt, which is not installed: run pip install 'ordergate[ccxt]'"
        ) from error
    if exchange not in pro.exchanges:
        raise ExchangeError(
            f"exchange: {exchange!r} is none that ccxt {importlib.import_module('ccxt').__version__} can follow: "
            "write its name as ccxt does, such as binance"
        )
    return getattr(pro, exchange)


def _watched(base: Any) -> Any:
    """The same class, which notes what is proof of what became of a request."""

    class Watched(base):  # type: ignore[misc]
        rest: Rest | None = None

        def open(self, lazy: bool = False) -> None:
            super().open(lazy)
            if hasattr(
                self.session, "_retry_connection"
            ):  # else a cancel is sent twice where a connection breaks
                self.session._retry_connection = False

        async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
            _leaves(self.rest, method, url)
            return await super().fetch(url, method, headers, body)

        def on_rest_response(
            self, code: Any, reason: Any, url: Any, method: Any, headers: Any, *more: Any
        ) -> Any:
            body = super().on_rest_response(code, reason, url, method, headers, *more)
            _answered(
                self.rest, int(code), str(body), _wanted_s(int(code), headers, str(body), self.milliseconds())
            )
            return body

        def handle_errors(self, *answer: Any) -> Any:
            try:
                return super().handle_errors(*answer)
            except BaseException as error:
                evidence = CALL.get()
                if evidence is not None:
                    evidence.told = error
                raise

    Watched.__name__ = base.__name__
    return Watched


def _leaves(rest: Rest | None, method: str, url: str) -> None:
    """A request is about to leave. Raises Resting, and SentTwice."""
    if rest is not None:
        rest.check()
    evidence = CALL.get()
    if evidence is not None:
        evidence.leaves(method, url)


def _answered(rest: Rest | None, status: int, body: str, wanted_s: float | None) -> None:
    if rest is not None and wanted_s is not None:
        rest.want(wanted_s)
    evidence = CALL.get()
    if evidence is not None:
        evidence.status, evidence.body, evidence.wanted_s = status, body, wanted_s


def _wanted_s(status: int, headers: Any, body: str, now_ms: int) -> float | None:
    """For how long it wants no more calls: by its header, else by the text of a ban; None: it limits nobody."""
    if status not in (418, 429):
        return None
    named = {str(name).lower(): value for name, value in dict(headers).items()}
    given = str(named.get("retry-after", ""))
    if given.isascii() and given.isdecimal():
        return float(given)
    banned = _BANNED.search(body)
    return _REST_S if banned is None else max(_REST_S, (int(banned[1]) - now_ms) / 1000)
