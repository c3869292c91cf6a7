"""Approved signals become orders; `signals.rejected.>` is never subscribed to."""

from datetime import timedelta
from typing import Final

from ordergate.api.gate import Gate
from ordergate.api.nats.intake import Dead
from ordergate.api.nats.link import Message
from ordergate.api.nats.reading import json_of, origin_of, text_of
from ordergate.api.nats.signatures import Verifier
from ordergate.api.orders import is_refused, signal_refused
from ordergate.application.decide.signaling import SignalResult
from ordergate.domain.orders.order import Order
from ordergate.domain.signals import SKEW, Signal, SubmitSignal, parse_signal
from ordergate.domain.times import format_time

SUBJECT: Final = "signals.approved.>"


class Signals:
    """Takes approved signals.

    Args:
        most_s: a signal that is older makes no order.
    """

    def __init__(self, gate: Gate, verifier: Verifier, most_s: int) -> None:
        self._gate, self._verifier = gate, verifier
        self._most = timedelta(seconds=most_s)

    async def take(self, message: Message) -> str:
        """An order, journalled, of the signal in a message.

        Raises:
            Dead: it makes none.
            Refused, Failure: it cannot be read.
            StoreError, OutcomeUnknown: not now.
        """
        wrong = self._verifier.wrong(message.data, message.headers)
        if wrong is not None:
            raise Dead("bad_signature", wrong)
        text = text_of(message.data)
        signal = parse_signal(json_of(text))
        untimely = self._untimely(signal, message)
        if untimely is not None:
            return await self._made_in_time(signal, message, untimely)
        origin = origin_of(message)
        result: SignalResult = await self._gate.execute(SubmitSignal(signal), origin, text)
        if result.order is None:
            told = signal_refused(result)
            raise Dead(told.code, told.detail)
        if not result.replayed:
            return "refused" if is_refused(result.order) else "done"
        return _came_before(message, result.order)

    async def _made_in_time(self, signal: Signal, message: Message, untimely: Dead) -> str:
        """Of one that made an order in time, only the acknowledgement was lost: it makes no second one, however long
        it is known again.

        Raises:
            Dead: it made none, or comes for the first time.
        """
        orders = await self._gate.queries.orders(signal_id=signal.signal_id)
        if not orders:
            raise untimely
        return _came_before(message, orders[0])

    def _untimely(self, signal: Signal, message: Message) -> Dead | None:
        """Why it is no signal of now, by its own clock or the server's; None where it is one."""
        now = self._gate.clock.now()
        since = message.at if signal.time is None else min(signal.time, message.at)
        if now - since > self._most:
            seconds = f"{self._most.total_seconds():g} s"
            return Dead("signal_too_old", f"it is of {format_time(since)}: after {seconds} it makes no order")
        if signal.time is not None and signal.time - now > SKEW:
            ahead = f"it is of {format_time(signal.time)}, and now it is {format_time(now)}"
            return Dead(
                "signal_from_the_future", f"{ahead}: its time may be {SKEW.total_seconds():g} s ahead"
            )
        return None


def _came_before(message: Message, order: Order) -> str:
    if message.deliveries == 1:
        raise Dead("repeated", f"the signal came before, and made order {order.order_id}", order.order_id)
    return "replayed"
