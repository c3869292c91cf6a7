"""A venue that closes by itself what an order has opened: a stop loss, a take profit, a stop-out.

No request asked for it. It is told in one part or two, under an id of the venue's own, and like everything that the back
office says it comes again in every session.
"""

import asyncio
from collections.abc import Callable

from msgspec.structs import replace

from ordergate.domain.orders.reports import Executed
from ordergate.domain.orders.states import ExecutionKind, OrderType, Side
from tests.simulation.exchange import Exchange
from tests.simulation.workload import MARKETS, Market

_SHARE = 0.4
"""Of the runs: elsewhere no order has levels."""
_MOST = 4
_TYPES = (OrderType.STOP, OrderType.LIMIT, None)


class Levels:
    """Of one run."""

    def __init__(self, exchange: Exchange, market: Market, say: Callable[[str], None]) -> None:
        self._exchange, self._market, self._say = exchange, market, say
        self._dice = exchange.dice.stream("levels")
        self._closed: set[str] = set()

    async def go_on(self) -> None:
        """Now and then. Where statements are sums alone, nobody could tell a closing that is late from what is hidden."""
        some = self._dice.random() < _SHARE and not self._exchange.manner.sums
        for _ in range(_MOST if some else 0):
            await asyncio.sleep(self._dice.random() * 30)
            self.close()

    def close(self) -> None:
        """Closes what one trade of ours has opened, all of it or half."""
        known = [
            said for said in self._exchange.trades if said.client_id and said.exec_id not in self._closed
        ]
        if not known:
            return
        dice, said = self._dice, self._dice.choice(known)
        self._closed.add(said.exec_id)
        symbol, ticket = said.symbol or "", f"T{len(self._closed)}"
        lot = MARKETS[symbol][2]
        whole = said.quantity if dice.random() < 0.5 else max(said.quantity / 2 // lot * lot, lot)
        first = max(whole / 2 // lot * lot, lot) if dice.random() < 0.5 else whole
        order_type = dice.choice(_TYPES)
        parts = [quantity for quantity in (first, whole - first) if quantity > 0]
        for number, quantity in enumerate(parts, 1):
            part = replace(
                said,
                client_id=None,
                broker_order_id=ticket,
                closes=said.client_id,
                order_type=order_type,
                exec_id=f"{ticket}-{number}",
                execution_kind=ExecutionKind.TRADE,
                refers_to=None,
                side=Side.SELL if said.side in (Side.BUY, Side.COVER) else Side.COVER,
                quantity=quantity,
                price=self._market.price(symbol, 0),
                time=self._exchange.clock.now(),
                completes=number == len(parts),
                cursor=None,
                raw=None,
            )
            self._tell(part)

    def _tell(self, part: Executed) -> None:
        self._say(f"closes   {part}")
        self._exchange.say(part)
