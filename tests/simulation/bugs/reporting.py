"""Of reports, positions and outlets."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from msgspec.structs import replace

from ordergate.application import prefetch
from ordergate.application.decide import reporting as decide
from ordergate.application.entry import decode
from ordergate.application.outlets import Follower
from ordergate.application.runner import Runner
from ordergate.domain import fold, fold_book
from ordergate.domain.orders import reports as r
from ordergate.domain.orders.events import OrderReplaced
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import TERMINAL
from tests.simulation.bugs.registry import bug


@bug
def execution_booked_twice() -> Iterator[Any]:
    """An execution that is delivered again is booked again."""
    executed = decide._HANDLERS[r.Executed]

    def again(ctx: Any, order: Order, said: r.Executed) -> Any:
        if (order.order_id, said.exec_id) in ctx.state.fills.rows:
            said = replace(said, exec_id=f"{said.exec_id}/{ctx.index()}")
        return executed(ctx, order, said)

    with patch.dict(decide._HANDLERS, {r.Executed: again}):
        yield


@bug
def late_fill_dropped() -> Iterator[Any]:
    """A fill that comes after the end of its order is thrown away."""
    executed = decide._HANDLERS[r.Executed]

    def dropped(ctx: Any, order: Order, said: r.Executed) -> Any:
        if order.state not in TERMINAL:
            yield from executed(ctx, order, said)

    with patch.dict(decide._HANDLERS, {r.Executed: dropped}):
        yield


@bug
def cursor_before_report() -> Iterator[Any]:
    """The place in the broker's stream is written when a report comes, before what it changes is."""
    report = Runner.report

    def hasty(self: Any, said: Any) -> None:
        if said.cursor is not None:
            sql = "UPDATE sessions SET cursor = ? WHERE broker = ?"
            self._journal.connection.execute(sql, (said.cursor, said.broker))
        report(self, said)

    with patch.object(Runner, "report", hasty):
        yield


@bug
def replace_that_completes_comes_last() -> Iterator[Any]:
    """A replace that completes its order is taken to come after all fills of it."""
    replaced = fold._FOLDS[OrderReplaced]

    def deaf(state: Any, event: OrderReplaced, index: int, time: Any) -> None:
        replaced(state, replace(event, completes=False), index, time)

    with patch.dict(fold._FOLDS, {OrderReplaced: deaf}):
        yield


@bug
def crossing_zero_only_closes() -> Iterator[Any]:
    """A fill that is larger than the position closes it, and the rest is forgotten."""
    book = fold_book.book

    def closes(position: Any, trade: Any, open_lots: Any, order: Any, contract_size: Any) -> Any:
        held = position.quantity
        if held and (held > 0) != (trade.quantity > 0) and abs(trade.quantity) > abs(held):
            trade = replace(trade, quantity=-held)
        return book(position, trade, open_lots, order, contract_size)

    with patch.object(fold_book, "book", closes):
        yield


@bug
def bust_keeps_its_fee() -> Iterator[Any]:
    """A trade that is taken back gives back everything but its fee."""
    unbook = fold_book.unbook

    def keeps(position: Any, trade: Any, *rest: Any) -> Any:
        return unbook(position, replace(trade, fee=trade.fee * 0), *rest)

    with patch.object(fold_book, "unbook", keeps):
        yield


@bug
def outlet_moves_on_before_delivering() -> Iterator[Any]:
    """An outlet's place in the journal moves on before its entries are delivered."""

    async def forward(self: Any, epoch: int) -> bool:
        first = await self._journal.cursor(self._outlet.name)
        lines = await self._journal.lines(first, 500)
        if not lines:
            return False
        await self._journal.move_cursor(self._outlet.name, first + len(lines))
        await self._outlet.deliver([decode(line.data, index) for index, line in enumerate(lines, first)])
        return True

    with patch.object(Follower, "_forward", forward):
        yield


@bug
def outlet_tries_again_with_the_next_entry() -> Iterator[Any]:
    """What a consumer did not take waits until there is something newer."""
    start = Follower.__init__

    def lazy(self: Any, *given: Any, **named: Any) -> None:
        start(self, *given, **named)
        self._clock = _Sleepless(self)

    with patch.object(Follower, "__init__", lazy):
        yield


class _Sleepless:
    """A clock on which nothing but news ends a pause."""

    def __init__(self, follower: Any) -> None:
        self._follower = follower

    async def sleep(self, _seconds: float) -> None:
        await self._follower._news.wait()


@bug
def outlet_skips_what_fails() -> Iterator[Any]:
    """What a consumer does not take is left out."""
    forward = Follower._forward

    async def skip(self: Any, epoch: int) -> bool:
        try:
            return await forward(self, epoch)
        except ConnectionResetError:
            name = self._outlet.name
            await self._journal.move_cursor(name, await self._journal.cursor(name) + 1)
            raise

    with patch.object(Follower, "_forward", skip):
        yield


@bug
def every_part_of_a_closing_adopted() -> Iterator[Any]:
    """Each execution by which a broker closes something by itself makes an order of its own."""
    find = decide.find_order

    def forgetful(ctx: Any, said: Any) -> Order | None:
        known = find(ctx, said)
        if known is None or getattr(said, "closes", None) is None:
            return known
        return known if (known.order_id, said.exec_id) in ctx.state.fills.rows else None

    with patch.object(decide, "find_order", forgetful):
        yield


@bug
def closing_waits_for_its_entry() -> Iterator[Any]:
    """What a broker closes by itself is only taken while the order that opened it is in memory."""
    with patch.object(prefetch, "_named_orders", _without_entries(prefetch._named_orders)):
        yield


def _without_entries(named: Any) -> Any:
    def forgetful(given: Any) -> Any:
        closes = isinstance(given, r.Executed) and given.closes is not None
        return named(replace(given, closes=None) if closes else given)

    return forgetful
