"""The exchange itself: markets, an account a key, orders in price-time order against a market that is set by hand.

A market order, and a limit order that crosses, trades at once with what is there; the rest of a limit order rests and
trades at its own price when the market comes to it. What a document says of a refusal is in its code and text.
"""

import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct, field

from ordergate.testing.exchange.faults import Faults

ZERO: Final = Decimal(0)
ENDED: Final = frozenset({"FILLED", "CANCELED", "EXPIRED", "REJECTED"})


class Refused(Exception):
    """What Binance answers instead: HTTP status, code and message."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


class Market(Struct, kw_only=True):
    """A symbol, and what is bid and asked there now."""

    symbol: str
    base: str
    quote: str
    perp: bool = False
    tick: Decimal
    step: Decimal
    least: Decimal
    least_notional: Decimal
    bid: Decimal = ZERO
    ask: Decimal = ZERO
    bid_size: Decimal = ZERO
    ask_size: Decimal = ZERO


SPOT: Final = Market(
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick=Decimal("0.01"),
    step=Decimal("0.00001"),
    least=Decimal("0.00001"),
    least_notional=Decimal(5),
)
PERP: Final = Market(
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    perp=True,
    tick=Decimal("0.1"),
    step=Decimal("0.001"),
    least=Decimal("0.001"),
    least_notional=Decimal(50),
)


class Trade(Struct, kw_only=True):
    """One execution; `fee` in `fee_asset`, `realized` of a perpetual."""

    id: int
    order: int
    symbol: str
    side: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    time: int
    maker: bool
    realized: Decimal = ZERO


class Order(Struct, kw_only=True):
    """An order, as its queries tell of it."""

    id: int
    key: str
    market: Market
    client_id: str
    side: str
    type: str
    tif: str
    quantity: Decimal
    price: Decimal
    time: int
    updated: int
    status: str = "NEW"
    reduce_only: bool = False
    trades: list[Trade] = field(default_factory=list)

    @property
    def filled(self) -> Decimal:
        """The sum of its trades."""
        return sum((trade.quantity for trade in self.trades), ZERO)

    @property
    def quote_filled(self) -> Decimal:
        """What they were worth."""
        return sum((trade.quantity * trade.price for trade in self.trades), ZERO)

    @property
    def left(self) -> Decimal:
        """What has not traded."""
        return self.quantity - self.filled


class Account(Struct, kw_only=True):
    """What a key opens; `withdraws` is a permission of the key."""

    key: str
    secret: str
    free: dict[str, Decimal]
    locked: dict[str, Decimal] = field(default_factory=dict)
    wallet: dict[str, Decimal] = field(default_factory=dict)
    positions: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    trades_spot: bool = True
    withdraws: bool = False


Told = Callable[[str, "Order", str, Trade | None, str | None], None]


class Exchange:
    """All of it, in memory; it lives as long as the test, however often our process ends meanwhile.

    Attributes:
        faults: what goes wrong.
        requests: each that came: method, path and parameters.
        told: called with key, order, execution type, trade and the client id of a cancel.
    """

    def __init__(self, *, key: str = "K" * 64, secret: str = "S" * 64) -> None:
        self.faults = Faults()
        self.markets = {
            (m.symbol, m.perp): Market(**{f: getattr(m, f) for f in m.__struct_fields__})
            for m in (SPOT, PERP)
        }
        cash = {"USDT": Decimal(10_000_000), "BTC": Decimal(100), "BNB": Decimal(0)}
        self.accounts = {
            key: Account(key=key, secret=secret, free=cash, wallet={"USDT": Decimal(10_000_000)})
        }
        self.orders: list[Order] = []
        self.trades: list[Trade] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.told: list[Told] = []

    @property
    def key(self) -> str:
        """The first account's."""
        return next(iter(self.accounts))

    def now(self) -> int:
        """Milliseconds, on the exchange's clock."""
        return time.time_ns() // 1_000_000 + self.faults.skew_ms

    def market(self, symbol: str, perp: bool) -> Market:
        """Raises Refused where there is none."""
        found = self.markets.get((symbol, perp))
        if found is None:
            raise Refused(-1121, "Invalid symbol.")
        return found

    def of_key(self, key: str, perp: bool, symbol: str | None = None) -> Iterator[Order]:
        """The orders of an account."""
        for order in self.orders:
            same = symbol is None or order.market.symbol == symbol
            if order.key == key and order.market.perp == perp and same:
                yield order

    def find(self, key: str, perp: bool, given: dict[str, str], client_id: str) -> Order | None:
        """By `orderId`, else by client id: one that works, else the latest."""
        self.market(given.get("symbol", ""), perp)
        named, theirs = given.get("orderId"), given.get(client_id)
        if not named and not theirs:
            raise Refused(-1102, f"Param '{client_id}' or 'orderId' must be sent, but both were empty/null!")
        found = [
            order
            for order in self.of_key(key, perp, given["symbol"])
            if (str(order.id) == named if named else order.client_id == theirs)
        ]
        working = [order for order in found if order.status not in ENDED]
        return (working or found or [None])[-1]  # type: ignore[list-item]

    def place(self, key: str, perp: bool, given: dict[str, str]) -> Order:
        """A new order, traded as far as it does at once. Raises Refused where it is not taken."""
        market = self.market(given.get("symbol", ""), perp)
        order = self._order(key, market, given)
        at_once = self._trades_at_once(order)
        self._check_money(order)
        if order.type == "LIMIT_MAKER" and at_once:
            raise Refused(-2010, "Order would immediately match and take.")
        self.orders.append(order)
        self._tell(order, "NEW")
        if order.tif == "FOK" and at_once < order.quantity:
            self._end(order, "EXPIRED")
            return order
        self._take(order, at_once)
        if order.status not in ENDED and (order.type == "MARKET" or order.tif in ("IOC", "FOK")):
            self._end(order, "EXPIRED")
        return order

    def _order(self, key: str, market: Market, given: dict[str, str]) -> Order:
        kind, side = given.get("type", ""), given.get("side", "")
        client_id = given.get("newClientOrderId") or f"web_{len(self.orders) + 1}"
        if side not in ("BUY", "SELL"):
            raise Refused(-1117, "Invalid side.")
        if kind not in ("MARKET", "LIMIT", "LIMIT_MAKER"):
            raise Refused(-1116, "Invalid orderType.")
        allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:/_-"
        if len(client_id) > 36 or not set(client_id) <= set(allowed):
            raise Refused(
                -1100,
                "Illegal characters found in parameter 'newClientOrderId'; legal range is "
                "'^[\\.A-Z\\:/a-z0-9_-]{1,36}$'.",
            )
        if kind == "MARKET" and ("price" in given or "timeInForce" in given):
            raise Refused(
                -1106,
                f"Parameter '{'price' if 'price' in given else 'timeInForce'}' sent when not required.",
            )
        if kind == "LIMIT" and not given.get("timeInForce"):
            raise Refused(
                -1102, "Mandatory parameter 'timeInForce' was not sent, was empty/null, or malformed."
            )
        quantity, price = _number(given, "quantity"), ZERO
        if kind != "MARKET":
            price = _number(given, "price")
        _check_filters(market, quantity, price if kind != "MARKET" else None)
        if any(o.client_id == client_id and o.status not in ENDED for o in self.of_key(key, market.perp)):
            if market.perp:
                raise Refused(-4116, "ClientOrderId is duplicated.")
            raise Refused(-2010, "Duplicate order sent.")
        at = self.now()
        return Order(
            id=len(self.orders) + 1001,
            key=key,
            market=market,
            client_id=client_id,
            side=side,
            type=kind,
            tif=given.get("timeInForce", "GTC"),
            quantity=quantity,
            price=price,
            time=at,
            updated=at,
            reduce_only=given.get("reduceOnly") == "true",
        )

    def _check_money(self, order: Order) -> None:
        account, market = self.accounts[order.key], order.market
        price = order.price or (market.ask if order.side == "BUY" else market.bid)
        if market.perp:
            if order.quantity * price > account.wallet.get(market.quote, ZERO) * 20:
                raise Refused(-2019, "Margin is insufficient.")
            return
        asset = market.quote if order.side == "BUY" else market.base
        needed = order.quantity * price if order.side == "BUY" else order.quantity
        if needed > account.free.get(asset, ZERO) - self._reserved(order.key, asset):
            raise Refused(-2010, "Account has insufficient balance for requested action.")

    def _reserved(self, key: str, asset: str) -> Decimal:
        total = ZERO
        for order in self.of_key(key, False):
            if order.status not in ENDED:
                buys = order.side == "BUY"
                if asset == (order.market.quote if buys else order.market.base):
                    total += order.left * (order.price if buys else 1)
        return total

    def reserved(self, key: str, asset: str) -> Decimal:
        """Of a spot balance, what working orders hold."""
        return self._reserved(key, asset)

    def _trades_at_once(self, order: Order) -> Decimal:
        market = order.market
        price, size = (market.ask, market.ask_size) if order.side == "BUY" else (market.bid, market.bid_size)
        if not price or (order.type != "MARKET" and not _crosses(order, price)):
            return ZERO
        return min(size, order.left)

    def _take(self, order: Order, quantity: Decimal, *, maker: bool = False) -> None:
        if quantity <= 0:
            return
        market = order.market
        if order.side == "BUY":
            touch, market.ask_size = market.ask, market.ask_size - quantity
        else:
            touch, market.bid_size = market.bid, market.bid_size - quantity
        price = order.price if maker else touch
        realized = self._move(order, quantity, price)
        rate = Decimal("0.0002" if maker else "0.0004") if market.perp else Decimal("0.001")
        asset = market.base if order.side == "BUY" and not market.perp else market.quote
        fee = rate * (quantity if asset == market.base else quantity * price)
        account = self.accounts[order.key]
        purse = account.wallet if market.perp else account.free
        purse[asset] = purse.get(asset, ZERO) - fee
        trade = Trade(
            id=len(self.trades) + 1,
            order=order.id,
            symbol=market.symbol,
            side=order.side,
            price=price,
            quantity=quantity,
            fee=fee,
            fee_asset=asset,
            time=self.now(),
            maker=maker,
            realized=realized,
        )
        self.trades.append(trade)
        order.trades.append(trade)
        order.updated = trade.time
        order.status = "FILLED" if order.left == 0 else "PARTIALLY_FILLED"
        self._tell(order, "TRADE", trade)

    def _move(self, order: Order, quantity: Decimal, price: Decimal) -> Decimal:
        """Moves what is held; what a perpetual realized."""
        account, market = self.accounts[order.key], order.market
        sign = 1 if order.side == "BUY" else -1
        if not market.perp:
            free = account.free
            free[market.base] = free.get(market.base, ZERO) + sign * quantity
            free[market.quote] = free.get(market.quote, ZERO) - sign * quantity * price
            return ZERO
        held, entry = account.positions.get(market.symbol, (ZERO, ZERO))
        closes = min(quantity, abs(held)) if held * sign < 0 else ZERO
        realized = closes * (price - entry) * (1 if held > 0 else -1)
        after = held + sign * quantity
        if after * held <= 0:
            entry = price if after else ZERO
        elif closes == 0:
            entry = (abs(held) * entry + quantity * price) / abs(after)
        account.positions[market.symbol] = after, entry
        account.wallet[market.quote] = account.wallet.get(market.quote, ZERO) + realized
        return realized

    def set_market(
        self, bid: Decimal, ask: Decimal, size: Decimal, *, symbol: str = "BTCUSDT", perp: bool = False
    ) -> None:
        """Makes that the market; what works and is reached by it trades, in price-time order."""
        market = self.market(symbol, perp)
        market.bid, market.ask, market.bid_size, market.ask_size = bid, ask, size, size
        working = [o for o in self.orders if o.market is market and o.status not in ENDED]
        for side, sign in (("BUY", -1), ("SELL", 1)):
            for order in sorted((o for o in working if o.side == side), key=lambda o: (sign * o.price, o.id)):
                self._take(order, self._trades_at_once(order), maker=True)

    def cancel(self, key: str, perp: bool, given: dict[str, str]) -> tuple[Order, str]:
        """The order, and the client id of the cancel. Raises Refused where no such order works."""
        order = self.find(key, perp, given, "origClientOrderId")
        if order is None or order.status in ENDED:
            raise Refused(-2011, "Unknown order sent.")
        name = given.get("newClientOrderId") or f"cancel_{order.id}"
        self._end(order, "CANCELED", name)
        return order, name

    def _end(self, order: Order, status: str, name: str | None = None) -> None:
        order.status, order.updated = status, self.now()
        self._tell(order, status, None, name)

    def _tell(self, order: Order, kind: str, trade: Trade | None = None, name: str | None = None) -> None:
        for told in self.told:
            told(order.key, order, kind, trade, name)

    def open_account(self, key: str, secret: str, **more: Any) -> Account:
        """Another account, that trades here too."""
        free = {"USDT": Decimal(1_000_000), "BTC": Decimal(10)}
        self.accounts[key] = account = Account(
            key=key, secret=secret, free=free, wallet={"USDT": Decimal(1_000_000)}, **more
        )
        return account


def _number(given: dict[str, str], name: str) -> Decimal:
    try:
        number = Decimal(given[name])
    except (KeyError, ArithmeticError):
        raise Refused(
            -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
        ) from None
    if not number.is_finite() or number < 0:
        raise Refused(
            -1100,
            f"Illegal characters found in parameter '{name}'; legal range is '^([0-9]{{1,20}})(\\.[0-9]{{1,20}})?$'.",
        )
    return number


def _check_filters(market: Market, quantity: Decimal, price: Decimal | None) -> None:
    if quantity < market.least or quantity % market.step:
        if market.perp:
            raise (
                Refused(-4003, "Quantity less than or equal to zero.")
                if quantity <= 0
                else Refused(-1111, "Precision is over the maximum defined for this asset.")
            )
        raise Refused(-1013, "Filter failure: LOT_SIZE")
    if price is not None:
        if price <= 0 or price % market.tick:
            raise (
                Refused(-4014, "Price not increased by tick size.")
                if market.perp
                else Refused(-1013, "Filter failure: PRICE_FILTER")
            )
        if price * quantity < market.least_notional:
            raise (
                Refused(-4164, f"Order's notional must be no smaller than {market.least_notional}")
                if market.perp
                else Refused(-1013, "Filter failure: NOTIONAL")
            )


def _crosses(order: Order, price: Decimal) -> bool:
    return order.price >= price if order.side == "BUY" else order.price <= price
