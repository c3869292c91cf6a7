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
from ordergate.domain.signals import Signal, SubmitSignal, parse_signal
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
        if self._is_late(signal, message) and not await self._is_known(signal):
            since = format_time(signal.time or message.at)
            seconds = f"{self._most.total_seconds():g} s"
            raise Dead("signal_too_old", f"it is of {since}: after {seconds} it makes no order")
        origin = origin_of(message)
        result: SignalResult = await self._gate.execute(SubmitSignal(signal), origin, text)
        if result.order is None:
            told = signal_refused(result)
            raise Dead(told.code, told.detail)
        if not result.replayed:
            return "refused" if is_refused(result.order) else "done"
        if message.deliveries == 1:
            reason = f"the signal came before, and made order {result.order.order_id}"
            raise Dead("repeated", reason, result.order.order_id)
        return "replayed"

    def _is_late(self, signal: Signal, message: Message) -> bool:
        return self._gate.clock.now() - (signal.time or message.at) > self._most

    async def _is_known(self, signal: Signal) -> bool:
        """Whether it made an order in time, and only the acknowledgement was lost."""
        return bool(await self._gate.queries.orders(signal_id=signal.signal_id))
