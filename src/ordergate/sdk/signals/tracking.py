"""Fills that somebody else's connector reports: booked once, and measured."""

import asyncio
import hashlib
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, Final
from weakref import WeakKeyDictionary

from msgspec import Struct

from ordergate.bootstrap import Gate
from ordergate.domain.errors import Code, Invalid, NotFound, quoted
from ordergate.domain.identifiers import parse_order_id
from ordergate.domain.money import exact, text
from ordergate.domain.orders import executions
from ordergate.domain.orders.commands import parse_choice
from ordergate.domain.orders.states import Side
from ordergate.domain.slippage import slippage
from ordergate.domain.times import format_time, parse_time
from ordergate.sdk.line import Line
from ordergate.sdk.oms.holdings import Position
from ordergate.sdk.oms.records import Fill
from ordergate.sdk.oms.service import OrderService

Number = str | int | float | Decimal
PIP: Final = Decimal("0.0001")
"""Of most currency pairs: what a pip is where no symbol is named."""
_TOLD: Final = "told-"
"""Begins the ids of fills that came without one."""
_booking: Final[WeakKeyDictionary[Gate, asyncio.Lock]] = WeakKeyDictionary()


class _Said(Struct, frozen=True):
    """A fill as it was told; `exec_id` is None where nobody named one."""

    order_id: str
    price: Decimal
    quantity: Decimal
    time: datetime
    exec_id: str | None = None

    @property
    def name(self) -> str:
        """The id under which it is booked; without one, the same terms have the same."""
        if self.exec_id is not None:
            return self.exec_id
        terms = " ".join((text(self.price), text(self.quantity), format_time(self.time)))
        return f"{_TOLD}{hashlib.sha256(terms.encode()).hexdigest()[:24]}"

    def is_in(self, booked: executions.Fill) -> bool:
        """Whether that is this fill: by its id, or by its terms where one of the two was told without one."""
        if booked.exec_id == self.exec_id:
            return (booked.price, booked.quantity) == (self.price, self.quantity)
        unnamed = self.exec_id is None or booked.exec_id.startswith(_TOLD)
        terms = booked.price, booked.quantity, booked.time
        return unnamed and terms == (self.price, self.quantity, self.time)


class FillTracker:
    """Books and measures fills.

    Args:
        gate: a running gate, as `open_gate` gives it; None takes the process's own.
    """

    def __init__(self, gate: Gate | None = None) -> None:
        self._line = Line(gate)

    async def process_fill(
        self,
        order_id: str,
        fill_price: Number,
        fill_quantity: Number,
        fill_time: datetime | str,
        exec_id: str | None = None,
    ) -> Position:
        """Books an execution of an order, as if the order's broker had reported it; the same one again counts once.

        Args:
            fill_price: in the instrument's currency.
            fill_quantity: in the instrument's unit, above zero.
            fill_time: with an offset; also as ISO 8601 text.
            exec_id: the broker's. Without one, a fill of the same order with equal price, quantity and time is the
                same fill, so two that are alike need their ids.

        Returns:
            The position behind it.

        Raises:
            NotFound: there is no such order.
            Invalid: it cannot be a fill of that order.
            Conflict: the order was never sent, or the id stands for another fill of it.
        """
        said = _said(order_id, fill_price, fill_quantity, fill_time, exec_id)
        return await self._line.command(partial(_book, said=said))

    async def update_position(self, fill_event: Mapping[str, Any]) -> Position:
        """Books the fill of an event, unless it is booked: also where `process_fill` has had it.

        Args:
            fill_event: with `order_id`, `fill_price`, `fill_quantity` and `timestamp`; `exec_id` where there is one.

        Returns:
            The position behind it.

        Raises:
            Invalid, NotFound, Conflict: as `process_fill`; also without one of those.
        """
        if not isinstance(fill_event, Mapping):
            detail = f"expected a mapping, got {type(fill_event).__name__}"
            raise Invalid(Code.WRONG_TYPE, detail, "#/fill_event")
        for name in ("order_id", "fill_price", "fill_quantity", "timestamp"):
            if fill_event.get(name) is None:
                raise Invalid(Code.MISSING, "is missing", f"#/{name}")
        return await self.process_fill(
            order_id=fill_event["order_id"],
            fill_price=fill_event["fill_price"],
            fill_quantity=fill_event["fill_quantity"],
            fill_time=fill_event["timestamp"],
            exec_id=fill_event.get("exec_id"),
        )

    async def calculate_slippage(
        self, expected_price: Number, fill_price: Number, order_side: str, symbol: str | None = None
    ) -> Decimal:
        """How many pips a fill was worse than expected: above zero is adverse, for buys and sales alike.

        Args:
            order_side: buy, sell, short or cover, in whatever case.
            symbol: whose pip counts; None counts in 0.0001.

        Raises:
            Invalid: a price is no number above zero, there is no such side, or the symbol is not counted in pips.
            NotFound: there is no such symbol.
        """
        side = parse_choice(Side, str(order_side).lower(), "#/order_side")
        prices = _positive(fill_price, "#/fill_price"), _positive(expected_price, "#/expected_price")
        pip = PIP if symbol is None else await self._line.read(partial(_pip, symbol=symbol))
        pips = slippage(side, *prices, pip).pips
        return Decimal(0) if pips is None else pips


def _said(order_id: str, price: Number, quantity: Number, time: datetime | str, exec_id: str | None) -> _Said:
    return _Said(
        order_id=parse_order_id(order_id, "#/order_id"),
        price=_positive(price, "#/fill_price"),
        quantity=_positive(quantity, "#/fill_quantity"),
        time=parse_time(time, "#/fill_time"),
        exec_id=exec_id,
    )


def _positive(value: object, pointer: str) -> Decimal:
    number = exact(value, pointer)
    if number <= 0:
        raise Invalid(Code.NOT_POSITIVE, f"{text(number)} must be above zero", pointer)
    return number


async def _pip(gate: Gate, symbol: str) -> Decimal:
    instrument = gate.runner.engine.view.instrument(symbol)
    if instrument is None:
        raise NotFound(
            Code.UNKNOWN_SYMBOL, f"{quoted(symbol)} is neither built in nor configured", "#/symbol"
        )
    if instrument.pip_size is None:
        raise Invalid(Code.BAD_VALUE, f"{quoted(symbol)} is not counted in pips: leave it out", "#/symbol")
    return instrument.pip_size


async def _book(gate: Gate, said: _Said) -> Position:
    oms = OrderService(gate)
    async with _booking.setdefault(
        gate, asyncio.Lock()
    ):  # between the look and the booking nobody else books
        order = await gate.queries.order(said.order_id)
        booked = await gate.journal.select("fills", {"order_id": order.order_id})
        if not any(said.is_in(fill) for fill in booked):
            return await oms.apply_fill(
                Fill(
                    fill_id=said.name,
                    order_id=order.order_id,
                    fund_id=order.fund_id,
                    symbol=order.symbol,
                    quantity=said.quantity,
                    price=said.price,
                    time=said.time,
                )
            )
    return (await oms.get_positions(order.fund_id, order.symbol))[0]
