"""A venue that does not tell everything, or says what is not so."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from ordergate.adapters.brokers.paper.orders import Status
from ordergate.domain.instruments import built_in
from ordergate.domain.orders.reports import AnyReport, Executed, Working
from ordergate.domain.orders.states import ExecutionKind, Side
from tests.simulation.account import Hidden
from tests.simulation.candor import Candor
from tests.simulation.exchange import NAME, Exchange
from tests.simulation.line import Line
from tests.simulation.workload import MARKETS, Market

WAYS: Final = ("unnamed", "named", "foreign", "money")
SUMS: Final = ("unnamed", "money")
LIES: Final = {
    "foreign": "unknown_order",
    "negative": "bad_execution",
    "wrong_side": "wrong_side",
    "wrong_symbol": "wrong_instrument",
    "backwards": "still_working",
    "too_much": "overfill",
}
"""What is said, and the break that it is once it is heard."""
AS_BEFORE: Final = ("backwards",)
"""What has no numbers of its own: told of the same order again it is the same report, and the same break."""
HALTING: Final = ("wrong_side", "wrong_instrument", "bad_execution", "overfill")
"""The breaks that halt the broker, where the policy is to halt."""
_OTHER: Final = {Side.BUY: Side.SELL, Side.COVER: Side.SELL, Side.SELL: Side.BUY, Side.SHORT: Side.BUY}
_MOST: Final = 3


class Misleading:
    """Of one run."""

    def __init__(self, exchange: Exchange, market: Market, say: Callable[[str], None]) -> None:
        self._exchange, self._market, self._say = exchange, market, say
        self._dice = exchange.dice.stream("misleading")
        self._count = 0

    async def go_on(self) -> None:
        """Now and then, in a run whose venue does."""
        candor = self._exchange.manner.candor
        for _ in range(0 if candor is Candor.HONEST else _MOST):
            await asyncio.sleep(self._dice.random() * 40)
            if candor is Candor.HIDES:
                self.hide(self._dice.choice(self.ways))
            else:
                self.lie(self._dice.choice(list(LIES)))

    @property
    def ways(self) -> tuple[str, ...]:
        """To hide something that statements show."""
        return SUMS if self._exchange.manner.sums else WAYS

    # What nobody is told.

    def hide(self, way: str) -> bool:
        """Moves the account; whether it could."""
        exchange, dice = self._exchange, self._dice
        self._count += 1
        name, at = f"H{self._count}", exchange.clock.now()
        symbol = dice.choice(self._market.symbols)
        currency = getattr(built_in(symbol), "currency", "")
        if way == "money":
            amount = Decimal(dice.randint(1, 9) * dice.choice((-100, 100)))
            one = Hidden(at, f"balance/{currency}", currency=currency, amount=amount)
        else:
            trade = Executed(
                broker=NAME,
                client_id=None if way == "unnamed" else f"foreign-{name}",
                exec_id=name,
                time=at,
                quantity=MARKETS[symbol][2] * dice.randint(1, 9),
                price=self._market.price(symbol, 0),
                symbol=symbol,
                side=dice.choice((Side.BUY, Side.SELL)),
            )
            one = Hidden(at, f"position/{symbol}", trade)
            if way == "foreign":
                one = Hidden(at, f"order/foreign-{name}", trade, named=True)
            if way == "named":
                known = [said for said in exchange.trades if said.client_id is not None]
                if not known:
                    return False
                trade = replace(
                    dice.choice(known), exec_id=name, time=at, completes=False, cursor=None, raw=None
                )
                trade = replace(trade, refers_to=None, execution_kind=ExecutionKind.TRADE)
                order_id = (trade.client_id or "").rpartition(".")[0]
                one = Hidden(at, f"fill/{order_id}/{name}", trade, named=True)
        self._say(f"hidden   {one}")
        exchange.account.hidden.append(one)
        return True

    # What is not so.

    def lie(self, what: str) -> bool:
        """Says it of a trade that there was; whether there was one, and somebody to say it to."""
        exchange, dice, line = self._exchange, self._dice, self._exchange.line
        ends = (Status.FILLED,) if what == "too_much" else (Status.FILLED, Status.CANCELED, Status.EXPIRED)
        revised = {said.broker_order_id for said in exchange.account.office if said.refers_to is not None}
        known = [
            said
            for said in exchange.trades
            if said.broker_order_id not in revised and self._status(said) in ends
        ]
        if not known or line is None or line.broken:
            return False
        self._count += 1
        said = dice.choice(known)
        names = {"broker": NAME, "client_id": said.client_id, "broker_order_id": said.broker_order_id}
        lie = replace(
            said,
            exec_id=f"L{self._count}",
            time=exchange.clock.now() - timedelta(milliseconds=1),
            refers_to=None,
            execution_kind=ExecutionKind.TRADE,
            completes=False,
            cursor=None,
            raw=None,
        )
        self._say(f"lies     {what}")
        if what == "too_much":
            exchange.say(lie)
        elif what == "backwards":
            _tell_twice(line, Working(**names))
        elif what == "foreign":
            _tell_twice(line, replace(lie, client_id=f"foreign-L{self._count}", broker_order_id=None))
        elif what == "negative":
            _tell_twice(line, replace(lie, quantity=-lie.quantity))
        elif what == "wrong_side":
            _tell_twice(line, replace(lie, side=_OTHER[lie.side or Side.BUY]))
        else:
            other = next(symbol for symbol in MARKETS if symbol != lie.symbol)
            _tell_twice(line, replace(lie, symbol=other))
        return True

    def _status(self, said: Executed) -> Status | None:
        order = self._exchange.order_of(said.client_id or "", said.broker_order_id)
        return None if order is None else order.status


def _tell_twice(line: Line, lie: AnyReport) -> None:
    """As every report may be: it is one break."""
    for _ in range(2):
        line.tell(lie)
