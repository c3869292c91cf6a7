"""What clients and the market do, drawn from the number of the run.

A client knows nothing but what it is answered. What it is not answered it asks again with the same key.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final, Protocol

from msgspec.structs import replace

from ordergate.application.engine import Command
from ordergate.domain.errors import Code, OutcomeUnknown, Refused, StoreError
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import CancelOrder, ReplaceOrder, SubmitOrder
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import OrderType, Side, TimeInForce
from ordergate.domain.signals import Signal, SubmitSignal

# Symbol: first price, tick, a lot, and how many ticks the market moves at most.
MARKETS: Final = {
    "AAPL": (Decimal("180.50"), Decimal("0.01"), Decimal(10), 12),
    "EURUSD": (Decimal("1.08120"), Decimal("0.00001"), Decimal("0.05"), 12),
    "BTC/USDT": (Decimal("67000.00"), Decimal("0.01"), Decimal("0.01"), 900),
}
_TRIES: Final = 60

_TIFS = (
    TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK, TimeInForce.DAY, TimeInForce.GTC,
    TimeInForce.GTD, TimeInForce.OPG,
)  # fmt: skip
_SHORTEST: Final = timedelta(seconds=5)
"""More than the clocks of nodes differ by."""


class Lost(Exception):
    """The connection to the gate broke; nobody knows how far the request came."""


class Door(Protocol):
    """The way to the gate."""

    async def ask(self, command: Command, *, preview: bool = False) -> Any:
        """The gate's answer.

        Raises:
            Lost: there was none.
        """
        ...

    def fail(self, problem: str) -> None:
        """Something is wrong."""
        ...

    def now(self) -> datetime:
        """The true time."""
        ...


class Market:
    """Prices that walk, and sizes that are soon used up."""

    def __init__(self, dice: Random) -> None:
        self._dice = dice
        count = 1 + int(dice.random() * 2)
        self.symbols = dice.sample(list(MARKETS), count)
        self._mids = {symbol: MARKETS[symbol][0] for symbol in self.symbols}

    def next(self, now: Any) -> Quote:
        """The next quote of some symbol."""
        dice = self._dice
        symbol = dice.choice(self.symbols)
        _first, tick, lot, most = MARKETS[symbol]
        self._mids[symbol] += tick * dice.randint(-most, most)
        mid, spread = self._mids[symbol], tick * dice.randint(1, 4)
        bid_size, ask_size = (lot * dice.randint(1, 12) if dice.random() < 0.8 else None for _ in range(2))
        return Quote(symbol, now, mid, mid + spread, bid_size, ask_size, pinned=dice.random() < 0.1)

    def price(self, symbol: str, ticks: int) -> Decimal:
        """So many ticks above where it is."""
        return self._mids[symbol] + ticks * MARKETS[symbol][1]


class Client:
    """One of those who trade.

    Args:
        funds: to choose from.
        expected: refusals that there is a reason for.
    """

    def __init__(
        self,
        name: str,
        dice: Random,
        door: Door,
        market: Market,
        funds: Sequence[str],
        expected: frozenset[Code],
    ) -> None:
        self._name, self._dice, self._door, self._market = name, dice, door, market
        self._funds, self._expected = funds, expected
        self._orders = 0

    async def trade(self, count: int) -> None:
        """That many orders, and what comes after each."""
        for _ in range(count):
            await asyncio.sleep(self._dice.random() * 8)
            self._orders += 1
            if self._dice.random() < 0.15:
                await self._signal(f"{self._name}-{self._orders}")
            else:
                await self._order(f"{self._name}-{self._orders}")

    # Orders.

    async def _order(self, key: str) -> None:
        command = self._command(key)
        if self._dice.random() < 0.15:
            await self._try(lambda: self._door.ask(command, preview=True), 1)
        askers = 3 if self._dice.random() < 0.15 else 1
        answers = await _together([self._submit(command) for _ in range(askers)])
        ids = {order.order_id for order in answers if order is not None}
        if len(ids) > 1:
            self._door.fail(f"key {key} was answered with {sorted(ids)}")
        if not ids:
            return
        await self._afterwards(command, next(order for order in answers if order is not None))

    async def _submit(self, command: SubmitOrder) -> Order | None:
        result = await self._try(lambda: self._door.ask(command), _TRIES)
        if isinstance(result, Refused):
            if result.code not in self._expected and not self._is_late(command):
                self._door.fail(f"{command.key} was refused: {result}")
            return None
        if result is None:
            return None
        order: Order = result.order
        if (order.symbol, order.side, order.fund_id) != (command.symbol, command.side, command.fund_id):
            self._door.fail(f"{command.key} was answered with another order: {order.order_id}")
        return order

    def _is_late(self, command: SubmitOrder) -> bool:
        """Whether the time of an order was, or by some node's clock may have been, over when it was asked."""
        return command.expires_at is not None and command.expires_at <= self._door.now() + _SHORTEST

    async def _afterwards(self, command: SubmitOrder, order: Order) -> None:
        dice = self._dice
        if dice.random() < 0.2:
            again = await self._submit(replace(command))
            if again is not None and again.order_id != order.order_id:
                self._door.fail(f"{command.key} made {order.order_id}, and then {again.order_id}")
        if dice.random() < 0.15:
            other = replace(command, quantity=command.quantity * 2)
            result = await self._try(lambda: self._door.ask(other), _TRIES)
            if not (isinstance(result, Refused) and result.code is Code.KEY_REUSED) and result is not None:
                self._door.fail(f"{command.key} with other content was answered with {result}")
        if dice.random() < 0.25:
            await self._take_what_there_is(order)
        await asyncio.sleep(dice.random() * 4)
        if dice.random() < 0.5:
            change = self._change(command, order.order_id)
            await self._try(lambda: self._door.ask(change), 4)
            if dice.random() < 0.6:
                change = self._change(command, order.order_id)
                await self._try(lambda: self._door.ask(change), 4)
        if dice.random() < 0.45:
            await asyncio.sleep(dice.random() * 3)
            await self._try(lambda: self._door.ask(CancelOrder(order_id=order.order_id)), 8)

    async def _take_what_there_is(self, order: Order) -> None:
        """Soon after an order no more of it is wanted: a replace that completes it, where some has been filled."""
        await asyncio.sleep(self._dice.random())
        change = ReplaceOrder(order_id=order.order_id, quantity=MARKETS[order.symbol][2])
        await self._try(lambda: self._door.ask(change), 4)

    def _command(self, key: str) -> SubmitOrder:
        dice, symbol = self._dice, self._dice.choice(self._market.symbols)
        side = dice.choice(list(Side))
        kind = dice.choice(
            [OrderType.MARKET, OrderType.LIMIT, OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT]
        )
        away = dice.randint(-20, 20) * (1 if symbol != "BTC/USDT" else 40)
        tif = dice.choice([tif for tif in _TIFS if tif is not TimeInForce.OPG or not kind.has_stop])
        return SubmitOrder(
            fund_id=dice.choice(self._funds),
            symbol=symbol,
            side=side,
            quantity=MARKETS[symbol][2] * dice.randint(1, 20),
            order_type=kind,
            key_kind="idempotency_key",
            key=key,
            tif=tif,
            expires_at=self._expiry() if tif is TimeInForce.GTD else None,
            limit_price=self._market.price(symbol, away) if kind.has_limit else None,
            stop_price=self._market.price(symbol, -away) if kind.has_stop else None,
        )

    def _expiry(self) -> datetime:
        seconds = self._dice.random() ** 2 * 90
        return self._door.now() + _SHORTEST + timedelta(seconds=seconds)

    def _change(self, command: SubmitOrder, order_id: str) -> ReplaceOrder:
        dice, lot = self._dice, MARKETS[command.symbol][2]
        price = None
        if command.order_type.has_limit and dice.random() < 0.6:
            price = self._market.price(command.symbol, dice.randint(-10, 10))
        quantity = lot * dice.randint(1, 25) if price is None or dice.random() < 0.5 else None
        return ReplaceOrder(order_id=order_id, quantity=quantity, limit_price=price)

    # Signals.

    async def _signal(self, key: str) -> None:
        dice, symbol = self._dice, self._dice.choice(self._market.symbols)
        signal = Signal(
            signal_id=key,
            symbol=symbol,
            action=dice.choice(["buy", "sell", "short", "close_long", "hold"]),
            quantity=MARKETS[symbol][2] * dice.randint(1, 8),
            fund_id=dice.choice(self._funds),
            approved=dice.random() < 0.9,
        )
        first = await self._try(lambda: self._door.ask(SubmitSignal(signal)), _TRIES)
        again = await self._try(lambda: self._door.ask(SubmitSignal(signal)), _TRIES)
        orders = {r.order.order_id for r in (first, again) if r is not None and r.order is not None}
        if len(orders) > 1:
            self._door.fail(f"signal {key} made {sorted(orders)}")

    async def _try(self, ask: Callable[[], Coroutine[Any, Any, Any]], times: int) -> Any:
        """The answer, a refusal, or None where there was neither after so many times."""
        pause = 0.2
        for _ in range(times):
            try:
                return await ask()
            except Refused as refused:
                return refused
            except (Lost, StoreError, OutcomeUnknown):
                await asyncio.sleep(pause * (0.5 + self._dice.random()))
                pause = min(pause * 2, 8.0)
        return None


async def _together(asked: list[Coroutine[Any, Any, Any]]) -> list[Any]:
    return [await asked[0]] if len(asked) == 1 else list(await asyncio.gather(*asked))
