"""Turns what happened into executions, reports and the orders' new status."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from ordergate.adapters.brokers.paper.contracts import moved, traded
from ordergate.adapters.brokers.paper.matching import Step, Trade, Trigger
from ordergate.adapters.brokers.paper.orders import Status, VenueOrder, broker_order_id
from ordergate.adapters.brokers.paper.pricing import fill_fee
from ordergate.adapters.brokers.paper.register import Register
from ordergate.adapters.brokers.paper.rows import Execution
from ordergate.adapters.brokers.paper.settings import PaperSettings
from ordergate.domain.instruments import Instrument
from ordergate.domain.market import Quote
from ordergate.domain.money import ZERO, plain
from ordergate.domain.orders.executions import Delta
from ordergate.domain.orders.reports import (
    Acknowledged,
    Confirmed,
    End,
    Ended,
    Executed,
    Marked,
    Replaced,
)
from ordergate.domain.orders.states import Mark, TimeInForce

_KILLED: Final[Mapping[TimeInForce, tuple[Status, str]]] = {
    TimeInForce.FOK: (Status.CANCELED, "fill or kill: not all of it can trade"),
    TimeInForce.IOC: (Status.CANCELED, "immediate or cancel: the rest"),
    TimeInForce.OPG: (Status.EXPIRED, "at the opening: the rest"),
}
"""How orders end that may not rest."""


class Move(Struct, frozen=True, gc=False, kw_only=True):
    """One execution of what is no trade: so much of the order's quantity, which may be none, and what it moved."""

    deltas: tuple[Delta, ...] = ()
    quantity: Decimal = ZERO
    fee: Decimal = ZERO
    fee_currency: str | None = None


class Teller:
    """Writes into the register what is to be said of orders."""

    def __init__(self, name: str, settings: PaperSettings, register: Register) -> None:
        self._name, self._settings, self._register = name, settings, register

    def steps(self, steps: list[Step], instrument: Instrument, at: datetime) -> None:
        """What a book did, in its order."""
        for step in steps:
            if isinstance(step, Trade):
                self._executed(step, instrument, at)
            elif isinstance(step, Trigger):
                self._marked(step.order)
            else:
                self.ended(step.order, *_KILLED[step.order.tif])

    def acknowledged(self, order: VenueOrder) -> None:
        """A new order rests."""
        self._register.change(order)
        self._register.report(
            order.number,
            Acknowledged(broker=self._name, client_id=order.client_id, broker_order_id=order.broker_order_id),
        )

    def ended(self, order: VenueOrder, status: Status, reason: str) -> None:
        """An order that is out of its book got no further."""
        order.status, order.reason = status, reason
        self._register.change(order)
        end = End.EXPIRED if status is Status.EXPIRED else End.CANCELED
        self._register.report(
            order.number,
            Ended(
                broker=self._name,
                client_id=order.client_id,
                broker_order_id=order.broker_order_id,
                end=end,
                reason=reason,
            ),
        )

    def replaced(self, order: VenueOrder) -> None:
        """An order has new terms, and is complete where they leave nothing to fill."""
        if not order.leaves:
            order.status = Status.FILLED
        self._register.change(order)
        names = {"broker": self._name, "client_id": order.client_id, "broker_order_id": order.broker_order_id}
        terms = Replaced(
            **names,
            quantity=order.quantity,
            limit_price=order.limit_price,
            stop_price=order.stop_price,
            completes=not order.leaves,
        )
        self._register.report(order.number, terms)
        if not order.leaves:
            self._register.report(order.number, Confirmed(**names))

    def _marked(self, order: VenueOrder) -> None:
        self._register.change(order)
        self._register.report(
            order.number,
            Marked(
                broker=self._name,
                client_id=order.client_id,
                broker_order_id=order.broker_order_id,
                mark=Mark.TRIGGERED,
            ),
        )

    def _executed(self, trade: Trade, instrument: Instrument, at: datetime) -> None:
        order = trade.order
        fee = fill_fee(trade.quantity, trade.price, self._settings.fee_bps, instrument)
        execution = Execution(
            order_number=order.number,
            number=trade.number,
            exec_id=f"{order.broker_order_id}-{trade.number}",
            time=at,
            symbol=order.symbol,
            side=order.side,
            quantity=trade.quantity,
            price=trade.price,
            fee=fee,
            fee_currency=instrument.currency if fee else None,
            quote=trade.quote,
            client_id=order.client_id,
            deltas=self._settled(trade, instrument) if instrument.perpetual else None,
        )
        self._tell(order, execution, completes=trade.completes)

    def _settled(self, trade: Trade, instrument: Instrument) -> tuple[Delta, ...]:
        """What a fill of a perpetual contract moves."""
        quantity = trade.quantity * trade.order.side.sign
        before = self._register.contracts.get(instrument.symbol)
        after, made = traded(before, instrument.symbol, quantity, trade.price)
        self._register.set_contract(after)
        return moved(self._name, instrument, quantity, made)

    def moved(self, order: VenueOrder, at: datetime, move: Move) -> None:
        """What is no trade moved balances; the order is complete with the whole of its quantity."""
        order.fills += 1
        order.filled = plain(order.filled + move.quantity)
        execution = Execution(
            order_number=order.number,
            number=order.fills,
            exec_id=f"{order.broker_order_id}-{order.fills}",
            time=at,
            symbol=order.symbol,
            side=order.side,
            quantity=move.quantity,
            price=ZERO,
            fee=move.fee,
            fee_currency=move.fee_currency,
            quote=Quote(order.symbol, at, ZERO, ZERO),
            client_id=order.client_id,
            deltas=move.deltas,
        )
        self._tell(order, execution, completes=not order.leaves)

    def _tell(self, order: VenueOrder, execution: Execution, *, completes: bool) -> None:
        if completes:
            order.status = Status.FILLED
        self._register.change(order)
        said = executed(self._name, execution)
        self._register.report(order.number, replace(said, completes=True) if completes else said)
        self._register.add_execution(execution)


def executed(name: str, row: Execution) -> Executed:
    """An execution as the venue of that name reports it."""
    return Executed(
        broker=name,
        client_id=row.client_id,
        broker_order_id=broker_order_id(row.order_number),
        exec_id=row.exec_id,
        time=row.time,
        quantity=row.quantity,
        price=row.price,
        fee=row.fee,
        fee_currency=row.fee_currency,
        symbol=row.symbol,
        side=row.side,
        deltas=row.deltas,
    )
