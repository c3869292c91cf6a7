"""Which entries a stream wants: by order, by kind, by fund."""

from bisect import bisect_left
from collections import OrderedDict
from typing import Final, get_args

from ordergate.application.entry import decode
from ordergate.application.ports.journal import JournalReader, Line
from ordergate.domain.moving import MoveEvent
from ordergate.domain.orders.events import FundConfigured, SignalRefused
from ordergate.domain.risk.events import FundValued, LimitsSet, TradingHalted, TradingResumed
from ordergate.domain.risk.kill_switch import Halt
from ordergate.domain.risk.limits import Level, LimitSet

_REMEMBERED: Final = 4_096

_OF_SCOPES: Final = (LimitsSet, TradingHalted, TradingResumed)
_OF_FUNDS: Final = frozenset(
    kind.__name__ for kind in (FundConfigured, FundValued, SignalRefused, *_OF_SCOPES, *get_args(MoveEvent))
)
Found = list[tuple[int, Line]]


class Sieve:
    """Reads the journal and keeps what is wanted.

    Args:
        fund: of an entry's order, or of the fund itself; None is any.
        order: None is any.
        kinds: without version, such as OrderFilled; empty is any.
        of_orders: only what is about an order.
    """

    def __init__(
        self,
        reader: JournalReader,
        *,
        fund: str | None,
        order: str | None = None,
        kinds: frozenset[str] = frozenset(),
        of_orders: bool = False,
    ) -> None:
        self._reader, self._fund, self._order, self._kinds = reader, fund, order, kinds
        self._of_orders = of_orders
        self._funds: OrderedDict[str, str | None] = OrderedDict()

    async def page(self, first: int, end: int, size: int) -> tuple[int, Found]:
        """What is wanted from `first` to below `end`, and where to go on.

        An order's entries are found by their index, so that as many of them may reach as far as `size`.
        """
        if self._order is not None:
            end, lines = await self._lines_of(self._order, first, size, most=end - first)
        else:
            lines = list(enumerate(await self._reader.lines(first, end - first), first))
        if self._of_orders:
            lines = [(i, line) for i, line in lines if line.order_id is not None]
        found = [(i, line) for i, line in lines if not self._kinds or _name(line) in self._kinds]
        if self._fund is not None:
            found = [(i, line) for i, line in found if await self._fund_of(i, line) == self._fund]
        return end, found

    async def _lines_of(self, order_id: str, first: int, size: int, most: int) -> tuple[int, Found]:
        indices = await self._reader.indices(order_id)
        begin, end = bisect_left(indices, first), bisect_left(indices, size)
        behind = indices[begin + most] if begin + most < end else size
        wanted = indices[begin : min(begin + most, end)]
        return behind, [(index, line) for index in wanted for line in await self._reader.lines(index, 1)]

    async def _fund_of(self, index: int, line: Line) -> str | None:
        if line.order_id is not None:
            return await self._fund_of_order(line.order_id)
        if _name(line) not in _OF_FUNDS:
            return None
        event = decode(line.data, index).event
        if isinstance(event, FundConfigured):
            return event.fund.fund_id
        if isinstance(event, _OF_SCOPES):
            return _fund_of_scope(event)
        return event.fund_id if isinstance(event, FundValued | SignalRefused | MoveEvent) else None

    async def _fund_of_order(self, order_id: str) -> str | None:
        if order_id in self._funds:
            self._funds.move_to_end(order_id)
            return self._funds[order_id]
        rows = await self._reader.get("orders", [(order_id,)])
        fund = rows[0].fund_id if rows else None
        self._funds[order_id] = fund
        if len(self._funds) > _REMEMBERED:
            self._funds.popitem(last=False)
        return fund


def _fund_of_scope(event: LimitsSet | TradingHalted | TradingResumed) -> str | None:
    """The fund whose limits or halt it is."""
    about: LimitSet | Halt | TradingResumed = event.after if isinstance(event, LimitsSet) else _halt_of(event)
    return about.name if about.level is Level.FUND else None


def _halt_of(event: TradingHalted | TradingResumed) -> Halt | TradingResumed:
    return event.halt if isinstance(event, TradingHalted) else event


def _name(line: Line) -> str:
    return line.kind.partition("/")[0]
