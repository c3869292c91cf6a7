"""Approved signals become orders, by whatever way they come where nobody waits for an answer."""

from datetime import datetime, timedelta

from msgspec import Struct

from ordergate.api.gate import Gate
from ordergate.api.orders import signal_refused
from ordergate.api.taking import Dead
from ordergate.application.decide.signaling import SignalResult
from ordergate.application.entry import Origin
from ordergate.domain.orders.order import Order
from ordergate.domain.signals import SKEW, Signal, SubmitSignal, parse_signal
from ordergate.domain.times import format_time


class Came(Struct, frozen=True, kw_only=True):
    """A signal as it came.

    Attributes:
        body: the JSON object that it is.
        text: the same as text, for the journal.
        at: when it was put where it was taken from.
    """

    body: object
    text: str
    at: datetime
    origin: Origin


class Signals:
    """Takes approved signals.

    Args:
        most_s: a signal that is older makes no order.
    """

    def __init__(self, gate: Gate, most_s: int) -> None:
        self._gate, self._most = gate, timedelta(seconds=most_s)

    async def take(self, came: Came) -> tuple[Order, bool]:
        """The order, journalled, that a signal makes, and whether it had made it before.

        Raises:
            Dead: it makes none.
            Refused: it cannot be read.
            StoreError, OutcomeUnknown: not now.
        """
        signal = parse_signal(came.body)
        untimely = self._untimely(signal, came.at)
        if untimely is not None:
            return await self._made_in_time(signal, untimely), True
        result: SignalResult = await self._gate.execute(SubmitSignal(signal), came.origin, came.text)
        if result.order is None:
            told = signal_refused(result)
            raise Dead(told.code, told.detail)
        return result.order, result.replayed

    def _untimely(self, signal: Signal, at: datetime) -> Dead | None:
        """Why it is no signal of now, by its own clock or that of where it was put; None where it is one."""
        now = self._gate.clock.now()
        since = at if signal.time is None else min(signal.time, at)
        if now - since > self._most:
            seconds = f"{self._most.total_seconds():g} s"
            return Dead("signal_too_old", f"it is of {format_time(since)}: after {seconds} it makes no order")
        if signal.time is not None and signal.time - now > SKEW:
            ahead = f"it is of {format_time(signal.time)}, and now it is {format_time(now)}"
            return Dead(
                "signal_from_the_future", f"{ahead}: its time may be {SKEW.total_seconds():g} s ahead"
            )
        return None

    async def _made_in_time(self, signal: Signal, untimely: Dead) -> Order:
        """Of one that made an order in time, only the acknowledgement was lost: it makes no second one, however long
        it is known again.

        Raises:
            Dead: it made none.
        """
        orders = await self._gate.queries.orders_of_signals(signal_id=signal.signal_id)
        if not orders:
            raise untimely
        return orders[0]
