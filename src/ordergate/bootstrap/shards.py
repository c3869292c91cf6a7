"""Several shards behind one door: each a gate on a journal of its own, found by fund, by order, or by broker.

A command goes to the one shard that it is about, and is journalled there alone; nothing is ever written to two.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

from ordergate.application.decide.context import OrderResult
from ordergate.application.decide.signaling import SignalResult
from ordergate.application.engine import Command
from ordergate.application.entry import Origin
from ordergate.application.merging import MergedRows
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.journal import RowReader
from ordergate.application.queries import Queries
from ordergate.bootstrap.gate import Gate
from ordergate.config import Config
from ordergate.domain.errors import Code, Conflict, Invalid, NotFound, OrderMoved
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import (
    AdoptOrder,
    CancelOrder,
    Release,
    ReplaceOrder,
    SubmitCreated,
    SubmitOrder,
)
from ordergate.domain.orders.order import Order
from ordergate.domain.signals import SubmitSignal

_Naming: Final = (SubmitCreated, CancelOrder, ReplaceOrder, Release)
T = TypeVar("T")


class Shards:
    """Running gates by the names of their shards; what doors need of a gate, for all of them.

    Attributes:
        shards: the gates.
        queries: reads all of them as one.
        lists: the same for what may take long.
    """

    def __init__(self, config: Config, shards: Mapping[str, Gate]) -> None:
        self.config, self.shards = config, shards
        self._first = next(iter(shards.values()))
        self.clock: Clock = self._first.clock
        self.queries = Queries(
            MergedRows(lambda: [gate.journal for gate in shards.values()], self._journal_of_fund)
        )
        self.lists = Queries(
            MergedRows(lambda: [gate.lists.reader for gate in shards.values()], self._lists_of_fund)
        )
        self._claims: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def _of_fund(self, fund_id: str) -> Gate | None:
        section = self.config.funds.get(fund_id)
        return None if section is None or section.shard is None else self.shards[section.shard]

    def _only(self, fund_id: str) -> Gate | None:
        """The one shard that has ever had the fund; None where it has moved."""
        moved = any(fund_id in gate.runner.engine.state.moves.rows for gate in self.shards.values())
        return None if moved else self._of_fund(fund_id)

    def _journal_of_fund(self, fund_id: str) -> RowReader | None:
        gate = self._only(fund_id)
        return None if gate is None else gate.journal

    def _lists_of_fund(self, fund_id: str) -> RowReader | None:
        gate = self._only(fund_id)
        return None if gate is None else gate.lists.reader

    async def execute(self, command: Command, origin: Origin | None = None, raw: str | None = None) -> Any:
        """Runs a command in the shard that it is about; see `Gate.execute`.

        Raises:
            Conflict: an order of another shard has the order id.
        """
        gate = await self._gate_for(command)
        if not isinstance(command, SubmitOrder | AdoptOrder) or command.order_id is None:
            return await self._or_as_before(command, gate.execute(command, origin, raw))
        async with self._claims.setdefault(command.order_id, asyncio.Lock()):
            if await self._is_elsewhere(command.order_id, gate):
                return await self._replayed(command, gate, origin)
            return await self._or_as_before(command, gate.execute(command, origin, raw))

    async def preview(self, command: Command, origin: Origin | None = None) -> Any:
        """What `execute` would answer now."""
        gate = await self._gate_for(command)
        order_id = command.order_id if isinstance(command, SubmitOrder | AdoptOrder) else None
        if order_id is not None and await self._is_elsewhere(order_id, gate):
            return await self._replayed(command, gate, origin)
        return await self._or_as_before(command, gate.preview(command, origin))

    async def _gate_for(self, command: Command) -> Gate:
        if isinstance(command, _Naming):
            return await self.find(command.order_id)
        if isinstance(command, SubmitSignal):  # one for an unknown fund is refused, and that is journalled
            return self._of_fund(command.signal.fund_id or self.config.signals.fund) or self._first
        fund_id: str | None = getattr(command, "fund_id", None)
        gate = self._of_fund(fund_id) if fund_id is not None else self._first
        if gate is None:
            known = ", ".join(sorted(self.config.funds))
            raise Invalid(Code.UNKNOWN_FUND, f"{fund_id!r} is no fund; there are {known}", "#/fund_id")
        return gate

    async def find(self, order_id: str) -> Gate:
        """The shard that has an order: by memory, else by all stores at once; any, where none has it."""
        for gate in self.shards.values():
            if order_id in gate.runner.engine.state.orders.rows:
                return gate
        gates = list(self.shards.values())
        found = await asyncio.gather(*(gate.journal.get("orders", [(order_id,)]) for gate in gates))
        return next((gate for gate, rows in zip(gates, found, strict=True) if rows), self._first)

    async def _is_elsewhere(self, order_id: str, own: Gate) -> bool:
        gate = await self.find(order_id)
        return gate is not own and bool(await gate.journal.get("orders", [(order_id,)]))

    async def _replayed(self, command: Command, gate: Gate, origin: Origin | None) -> Any:
        """The order of a request that came before its fund moved; any other has an id that is taken."""
        result: Any = await self._or_as_before(command, gate.preview(command, origin))
        if not result.replayed:
            detail = f"{result.order.order_id!r} is another order's; leave it out or change it"
            raise Conflict(Code.ORDER_ID_TAKEN, detail, "#/order_id")
        return result

    async def _or_as_before(self, command: Command, answer: Awaitable[T]) -> T | OrderResult | SignalResult:
        """The answer; where a key stands for an order that its fund left behind, that order."""
        try:
            return await answer
        except OrderMoved as moved:
            try:
                order = await self.queries.order(moved.order_id)
            except NotFound:
                raise moved from None
        if isinstance(command, SubmitSignal):
            return SignalResult(order=order, replayed=True)
        return OrderResult(order=order, replayed=True)

    async def answered(self, order_id: str, timeout_s: float) -> Order:
        """See `Gate.answered`."""
        return await (await self.find(order_id)).answered(order_id, timeout_s)

    @property
    def quotes(self) -> Mapping[str, Quote]:
        """The last quote of each symbol, of whichever shard has seen a later one."""
        quotes: dict[str, Quote] = {}
        for gate in self.shards.values():
            for symbol, quote in gate.quotes.items():
                known = quotes.get(symbol)
                if known is None or known.time <= quote.time:
                    quotes[symbol] = quote
        return quotes

    @property
    def paper_venues(self) -> list[str]:
        """The names of the brokers that are paper venues."""
        return [name for gate in self.shards.values() for name in gate.paper_venues]

    def check_symbol(self, symbol: str) -> None:
        """Raises NotFound unless there is such an instrument."""
        self._first.check_symbol(symbol)

    async def set_quote(self, broker: str, quote: Quote) -> None:
        """See `Gate.set_quote`."""
        await self._of_venue(broker).set_quote(broker, quote)

    async def put_quote(self, broker: str, quote: Quote) -> None:
        """See `Gate.put_quote`."""
        await self._of_venue(broker).put_quote(broker, quote)

    def _of_venue(self, broker: str) -> Gate:
        found = next((gate for gate in self.shards.values() if broker in gate.paper_venues), None)
        if found is None:
            known = ", ".join(self.paper_venues)
            raise NotFound(
                Code.UNKNOWN_BROKER, f"{broker!r} is no paper venue; there are {known}", "#/broker"
            )
        return found
