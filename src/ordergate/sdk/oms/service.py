"""The order service: what a strategy says to ordergate, and what it hears."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC
from functools import partial
from typing import Final

from ordergate.api.market import market_of
from ordergate.application.decide.wrong import wrong_execution
from ordergate.application.entry import Origin
from ordergate.application.queries import show_position
from ordergate.bootstrap import Gate
from ordergate.domain.errors import Code, Conflict, Invalid
from ordergate.domain.orders import order
from ordergate.domain.orders.commands import CancelOrder, Configure, parse_reason
from ordergate.domain.orders.reports import Executed
from ordergate.domain.orders.states import UNSENT
from ordergate.domain.risk.commands import ConfigureLimits
from ordergate.sdk.line import Line
from ordergate.sdk.oms.holdings import Position
from ordergate.sdk.oms.records import Fill, FundConfig, Order, OrderUpdate
from ordergate.sdk.oms.updates import end_of, updates_after

_ORIGIN: Final = Origin(source="sdk")


class OrderService:
    """Orders, positions and their stream.

    Args:
        gate: a running gate, as `open_gate` gives it; None takes the process's own.
        funds: made known to the gate, with their limits, before the first order.

    Raises:
        Invalid: a fund that cannot be; see `FundConfig`.
    """

    def __init__(self, gate: Gate | None = None, funds: Sequence[FundConfig] = ()) -> None:
        self._funds = tuple(config.fund() for config in funds)
        stated = (config.limits() for config in funds)
        self._limits = tuple(limits for limits in stated if limits is not None)
        self._line = Line(gate, self._configure if funds else None)

    async def submit(self, order: Order) -> Order:
        """Makes an order and sends it; the same key again gives the order that it made, as it is by then.

        An order that the risk gate refuses is no error: it is REJECTED, with `reason_code` and `rejected_reason`.

        Raises:
            Invalid: the content is wrong; nothing was stored.
            Conflict: the key, or the order id, stands for another order.
            OutcomeUnknown: the gate failed meanwhile; the same order again finds out.
        """
        command = order.command()
        result = await self._line.command(lambda gate: gate.execute(command, _ORIGIN))
        return Order.of(result.order)

    async def cancel(self, order_id: str, reason: str | None = None) -> Order:
        """Asks for a cancel of what is left; the order shows it once the broker has confirmed.

        Raises:
            NotFound: there is no such order.
            Conflict: it is filled or has ended.
            Invalid: the reason is no text of at most 1,000 characters.
        """
        command = CancelOrder(order_id=order_id, reason=parse_reason(reason, "#/reason"))
        result = await self._line.command(lambda gate: gate.execute(command, _ORIGIN, command.raw()))
        return Order.of(result.order)

    async def get_order(self, order_id: str) -> Order:
        """An order as it is.

        Raises:
            NotFound: there is no such order.
        """
        return Order.of(await self._line.read(lambda gate: gate.queries.order(order_id)))

    async def get_positions(self, fund_id: str, symbol: str | None = None) -> list[Position]:
        """What a fund holds, of a symbol or of all; also positions that are flat by now."""
        return await self._line.read(partial(_positions, fund_id=fund_id, symbol=symbol))

    async def stream_updates(self, fund_id: str, after: int | None = None) -> AsyncIterator[OrderUpdate]:
        """What happens to a fund's orders, one by one, without end.

        Args:
            after: the index behind which to begin: -1 is the very beginning, that of the last update seen
                goes on behind it; None begins with what comes from now on.
        """
        place = await self._line.read(end_of) if after is None else after
        while True:
            updates, place = await self._line.read(partial(updates_after, fund_id=fund_id, after=place))
            for update in updates:
                yield update

    async def apply_fill(self, fill: Fill) -> Position:
        """Books a fill that was reported from elsewhere, as if the order's broker had; one fill id counts once.

        Returns:
            The position behind it.

        Raises:
            NotFound: there is no such order.
            Invalid: it cannot be a fill of that order.
            Conflict: the order was never sent.
        """
        return await self._line.command(partial(_apply, fill=fill))

    async def _configure(self, gate: Gate) -> None:
        unknown = {fund.broker for fund in self._funds} - gate.brokers.keys()
        if unknown:
            known = ", ".join(gate.brokers)
            raise Invalid(
                Code.UNKNOWN_BROKER, f"{sorted(unknown)[0]!r} is no broker; there are {known}", "#/broker"
            )
        await gate.runner.execute(Configure(self._funds, ()), _ORIGIN)
        if self._limits:
            await gate.runner.execute(ConfigureLimits(self._limits), _ORIGIN)


async def _apply(gate: Gate, fill: Fill) -> Position:
    known = await gate.queries.order(fill.order_id)
    report = _report(fill, known)
    await gate.runner.deliver(report)
    booked = await gate.journal.get("fills", [(known.order_id, fill.fill_id)])
    if not booked or booked[0].awaited:
        raise Conflict(Code.BAD_VALUE, f"fill {fill.fill_id} was not booked: see the breaks", "#/fill_id")
    first = booked[0]
    if (first.quantity, first.price) != (fill.quantity, fill.price):
        detail = f"{fill.fill_id!r} is booked with {first.quantity} at {first.price}: another fill needs its own id"
        raise Conflict(Code.KEY_REUSED, detail, "#/fill_id")
    return (await _positions(gate, known.fund_id, known.symbol))[0]


def _report(fill: Fill, known: order.Order) -> Executed:
    for name in ("fund_id", "symbol", "broker"):
        said, right = getattr(fill, name), getattr(known, name)
        if said is not None and said != right:
            raise Invalid(Code.BAD_VALUE, f"{said!r}: order {known.order_id} is of {right!r}", f"#/{name}")
    if known.state in UNSENT or known.client_id is None:
        raise Conflict(
            Code.BAD_VALUE, f"order {known.order_id} is {known.state}: it was not sent", "#/order_id"
        )
    if fill.time.tzinfo is None:
        raise Invalid(Code.BAD_VALUE, f"{fill.time} has no offset", "#/time")
    report = Executed(
        broker=known.broker,
        client_id=known.client_id,
        exec_id=fill.fill_id,
        time=fill.time.astimezone(UTC),
        quantity=fill.quantity,
        price=fill.price,
        fee=fill.fee,
        fee_currency=fill.fee_currency,
        symbol=fill.symbol,
        side=fill.side,
        raw=fill.model_dump_json(),
    )
    wrong = wrong_execution(known, report)
    if wrong is not None:
        raise Invalid(Code.BAD_VALUE, wrong[1], "#")
    return report


async def _positions(gate: Gate, fund_id: str, symbol: str | None) -> list[Position]:
    instruments, bases = await gate.queries.instruments(), await gate.queries.base_currencies()
    where = {"fund_id": fund_id} | ({} if symbol is None else {"symbol": symbol})
    positions, market = [], market_of(gate)
    for held in await gate.journal.select("positions", where):
        lots = await gate.queries.open_lots(held)
        shown = show_position(held, lots, instruments[held.symbol], market, bases[fund_id])
        positions.append(Position.of(shown, lots))
    return positions
