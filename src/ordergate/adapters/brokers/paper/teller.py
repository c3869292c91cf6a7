"""Turns what happened in a book into executions, reports and the orders' new status."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from ordergate.adapters.brokers.paper.matching import Step, Trade, Trigger
from ordergate.adapters.brokers.paper.orders import Status, VenueOrder
from ordergate.adapters.brokers.paper.pricing import fill_fee
from ordergate.adapters.brokers.paper.register import Register
from ordergate.adapters.brokers.paper.rows import Execution
from ordergate.adapters.brokers.paper.settings import PaperSettings
from ordergate.domain.instruments import Instrument
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
        order, quote = trade.order, trade.quote
        name = order.broker_order_id
        exec_id = f"{name}-{trade.number}"
        fee = fill_fee(trade.quantity, trade.price, self._settings.fee_bps, instrument)
        currency = instrument.currency if fee else None
        if trade.completes:
            order.status = Status.FILLED
        self._register.change(order)
        self._register.report(
            order.number,
            Executed(
                broker=self._name,
                client_id=order.client_id,
                broker_order_id=name,
                exec_id=exec_id,
                time=at,
                quantity=trade.quantity,
                price=trade.price,
                fee=fee,
                fee_currency=currency,
                symbol=order.symbol,
                side=order.side,
                completes=trade.completes,
            ),
        )
        self._register.add_execution(
            Execution(
                order_number=order.number,
                number=trade.number,
                exec_id=exec_id,
                time=at,
                symbol=order.symbol,
                side=order.side,
                quantity=trade.quantity,
                price=trade.price,
                fee=fee,
                fee_currency=currency,
                quote=quote,
                client_id=order.client_id,
            )
        )
