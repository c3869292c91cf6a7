"""What the server of the broker keeps: symbols and prices, orders, deals, positions, money. Money is Decimal."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct, field

from ordergate.testing.metatrader5 import constants as mt5

ZERO: Final = Decimal(0)
ALL_ORDER_KINDS: Final = 127
ALL_EXPIRATIONS: Final = 15


class Symbol(Struct, kw_only=True):
    """A symbol as the broker has set it up, and its prices now.

    Attributes:
        digits: of a price; `point` is 10 to the minus digits.
        stops_level: points that SL, TP and pending prices keep from the market. 0: none.
        freeze_level: points to the market within which orders can not be touched any more.
        volume_limit: lots in one direction, position and pending orders together. 0: no limit.
        bid_size, ask_size: lots to be had until the next quote. None: as many as are asked for.
        commission: money of the account a lot and deal.
        margin_initial: money a lot, where `calc_mode` is futures.
        closed: the market is.
        frozen: the server gives no prices (10021).
    """

    name: str
    digits: int = 5
    contract_size: Decimal = Decimal(100_000)
    base: str = "EUR"
    profit: str = "USD"
    margin_currency: str = ""
    calc_mode: int = mt5.SYMBOL_CALC_MODE_FOREX
    trade_mode: int = mt5.SYMBOL_TRADE_MODE_FULL
    exemode: int = mt5.SYMBOL_TRADE_EXECUTION_MARKET
    filling_mode: int = mt5.SYMBOL_FILLING_FOK | mt5.SYMBOL_FILLING_IOC
    expiration_mode: int = ALL_EXPIRATIONS
    order_mode: int = ALL_ORDER_KINDS
    gtc_mode: int = mt5.SYMBOL_ORDERS_GTC
    volume_min: Decimal = Decimal("0.01")
    volume_max: Decimal = Decimal(100)
    volume_step: Decimal = Decimal("0.01")
    volume_limit: Decimal = ZERO
    tick_size: Decimal | None = None
    stops_level: int = 0
    freeze_level: int = 0
    margin_initial: Decimal = ZERO
    margin_hedged: Decimal | None = None
    commission: Decimal = ZERO
    swap_mode: int = mt5.SYMBOL_SWAP_MODE_POINTS
    swap_long: Decimal = ZERO
    swap_short: Decimal = ZERO
    swap_triple_day: int = mt5.DAY_OF_WEEK_WEDNESDAY
    path: str = "Forex"
    bid: Decimal = ZERO
    ask: Decimal = ZERO
    last: Decimal = ZERO
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None
    time_msc: int = 0
    closed: bool = False
    frozen: bool = False

    @property
    def point(self) -> Decimal:
        """The last digit."""
        return Decimal(1).scaleb(-self.digits)

    @property
    def tick(self) -> Decimal:
        """What prices are multiples of."""
        return self.tick_size or self.point

    @property
    def margin_in(self) -> str:
        """The currency that margin is asked in."""
        return self.margin_currency or self.base

    @property
    def priced(self) -> bool:
        """Whether it has prices."""
        return self.bid > 0 and self.ask > 0 and not self.frozen

    def touch(self, buys: bool) -> Decimal:
        """What one pays, or gets, now."""
        return self.ask if buys else self.bid

    def size(self, buys: bool, wanted: Decimal) -> Decimal:
        """How much of it is there to take, in whole steps."""
        there = self.ask_size if buys else self.bid_size
        return wanted if there is None or there >= wanted else there - there % self.volume_step

    def take(self, buys: bool, volume: Decimal) -> None:
        """It has been taken."""
        if buys and self.ask_size is not None:
            self.ask_size -= volume
        if not buys and self.bid_size is not None:
            self.bid_size -= volume


class Order(Struct, kw_only=True):
    """An order, working or ended.

    Attributes:
        position_asked: the position that a request named, by ticket. 0: none.
        active: a stop that has been reached takes what is there.
        due_msc: accepted, and executed by the server only then.
    """

    ticket: int
    symbol: str
    type: int
    volume: Decimal
    left: Decimal
    price: Decimal
    stoplimit: Decimal = ZERO
    sl: Decimal = ZERO
    tp: Decimal = ZERO
    filling: int = mt5.ORDER_FILLING_FOK
    lasts: int = mt5.ORDER_TIME_GTC
    expiration: int = 0
    state: int = mt5.ORDER_STATE_STARTED
    reason: int = mt5.ORDER_REASON_EXPERT
    magic: int = 0
    comment: str = ""
    setup_msc: int = 0
    done_msc: int = 0
    position_id: int = 0
    position_by_id: int = 0
    position_asked: int = 0
    price_current: Decimal = ZERO
    active: bool = False
    due_msc: int | None = None

    @property
    def buys(self) -> bool:
        """Whether it buys: BUY, BUY LIMIT, BUY STOP, BUY STOP LIMIT are even."""
        return self.type % 2 == 0

    @property
    def market(self) -> bool:
        """Whether it takes what is there."""
        return self.type in (mt5.ORDER_TYPE_BUY, mt5.ORDER_TYPE_SELL)

    @property
    def pending(self) -> bool:
        """Whether it waits for a price."""
        return mt5.ORDER_TYPE_BUY_LIMIT <= self.type <= mt5.ORDER_TYPE_SELL_STOP_LIMIT


class Deal(Struct, kw_only=True):
    """What happened to position or money."""

    ticket: int
    order: int = 0
    symbol: str = ""
    type: int
    entry: int = mt5.DEAL_ENTRY_IN
    volume: Decimal = ZERO
    price: Decimal = ZERO
    magic: int = 0
    comment: str = ""
    position_id: int = 0
    reason: int = mt5.DEAL_REASON_EXPERT
    commission: Decimal = ZERO
    swap: Decimal = ZERO
    profit: Decimal = ZERO
    fee: Decimal = ZERO
    time_msc: int


class Position(Struct, kw_only=True):
    """An open position: its `ticket` may change, its `identifier` never does."""

    ticket: int
    identifier: int
    symbol: str
    buys: bool
    volume: Decimal
    price: Decimal
    sl: Decimal = ZERO
    tp: Decimal = ZERO
    magic: int = 0
    comment: str = ""
    reason: int = mt5.POSITION_REASON_EXPERT
    swap: Decimal = ZERO
    time_msc: int
    updated_msc: int

    @property
    def sign(self) -> int:
        """1 or -1."""
        return 1 if self.buys else -1


class State(Struct, kw_only=True):
    """All that the server remembers.

    Attributes:
        offset_s: how far the server's wall clock is ahead of UTC.
        sent: every request that arrived, with what became of it, in order of arrival.
        stop_out: margin level in percent at or under which positions are closed.
        trade_allowed, trade_expert: what the server allows the account, and programs on it.
    """

    login: int = 5_000_001
    password: str = "secret"  # noqa: S105 - of a simulated account
    server: str = "Ordergate-Demo"
    name: str = "Simulated account"
    company: str = "Ordergate simulated broker"
    trade_mode: int = mt5.ACCOUNT_TRADE_MODE_DEMO
    margin_mode: int = mt5.ACCOUNT_MARGIN_MODE_RETAIL_NETTING
    currency: str = "USD"
    currency_digits: int = 2
    leverage: int = 100
    limit_orders: int = 0
    fifo_close: bool = False
    margin_call: Decimal = Decimal(100)
    stop_out: Decimal = Decimal(50)
    balance: Decimal = Decimal(100_000)
    credit: Decimal = ZERO
    trade_allowed: bool = True
    trade_expert: bool = True
    offset_s: int = 0
    symbols: dict[str, Symbol] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    history: dict[int, Order] = field(default_factory=dict)
    deals: dict[int, Deal] = field(default_factory=dict)
    positions: dict[int, Position] = field(default_factory=dict)
    sent: list[dict[str, Any]] = field(default_factory=list)
    last_order: int = 1_000_000
    last_deal: int = 700_000
    day: int = 0

    @property
    def hedging(self) -> bool:
        """Whether a symbol can have several positions."""
        return self.margin_mode == mt5.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING

    def next_order(self) -> int:
        """A new ticket of an order, and of the position it may open."""
        self.last_order += 1
        return self.last_order

    def next_deal(self) -> int:
        """A new ticket of a deal."""
        self.last_deal += 1
        return self.last_deal

    def of(self, symbol: str) -> Iterator[Position]:
        """The positions in a symbol, oldest first."""
        return (position for position in list(self.positions.values()) if position.symbol == symbol)
