"""Approved signals become orders; `signals.rejected.>` is never subscribed to."""

from typing import Final

from ordergate.api import signals
from ordergate.api.gate import Gate
from ordergate.api.nats.link import Message
from ordergate.api.nats.reading import json_of, origin_of, text_of
from ordergate.api.nats.signatures import Verifier
from ordergate.api.orders import is_refused
from ordergate.api.taking import Dead

SUBJECT: Final = "signals.approved.>"


class Signals:
    """Takes approved signals.

    Args:
        most_s: a signal that is older makes no order.
    """

    def __init__(self, gate: Gate, verifier: Verifier, most_s: int) -> None:
        self._signals, self._verifier = signals.Signals(gate, most_s), verifier

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
        came = signals.Came(body=json_of(text), text=text, at=message.at, origin=origin_of(message))
        order, replayed = await self._signals.take(came)
        if not replayed:
            return "refused" if is_refused(order) else "done"
        if message.deliveries == 1:
            reason = f"the signal came before, and made order {order.order_id}"
            raise Dead("repeated", reason, order.order_id)
        return "replayed"
