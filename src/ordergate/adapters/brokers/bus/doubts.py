"""Acknowledged orders of which an error came: the engine does not ask after them, so we do until we are answered."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from msgspec import Struct

from ordergate.application.ports.brokers import Lookup, Presence
from ordergate.application.stopping import stopped
from ordergate.domain.identifiers import order_id_of
from ordergate.domain.orders.reports import Answered, AnyReport, End, Ended, Outcome, RequestRefused

_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
_log = structlog.get_logger("ordergate.brokers.bus")


class _Doubt(Struct):
    """What is known of one order.

    Attributes:
        count: of the errors that came.
        refused: one of them is a refusal.
        refusal: the last that is one of a submit of this process: with it an absence ends the order.
    """

    client_id: str | None
    broker_order_id: str | None
    count: int = 0
    refused: bool = False
    refusal: Answered | None = None
    task: asyncio.Task[None] | None = None


class Doubts:
    """Of the orders of one account, for one session.

    Args:
        lookup: by our name of the order, or by the broker's alone.
        was_sent: whether a name is that of the order's submit by this process. Else it may be a cancel's, or that of
            an order which came here under another: an absence of these proves nothing.
        tell: gets what is found.
    """

    def __init__(
        self,
        broker: str,
        lookup: Callable[[str | None, str | None], Awaitable[Lookup]],
        was_sent: Callable[[str], bool],
        tell: Callable[[AnyReport], None],
    ) -> None:
        self._broker, self._lookup, self._was_sent, self._tell = broker, lookup, was_sent, tell
        self._doubts: dict[str, _Doubt] = {}

    def raised(self, error: Answered | RequestRefused) -> None:
        """An error came: the order is looked up after it, whether or not it is looked up now."""
        key = f"ticket {error.broker_order_id}" if error.client_id is None else order_id_of(error.client_id)
        doubt = self._doubts.setdefault(key, _Doubt(error.client_id, error.broker_order_id))
        doubt.count += 1
        doubt.broker_order_id = error.broker_order_id or doubt.broker_order_id
        if isinstance(error, Answered) and error.outcome is Outcome.REJECTED and error.client_id is not None:
            doubt.refused = True
            if self._was_sent(error.client_id):
                doubt.refusal = error
        if doubt.task is None:
            doubt.task = asyncio.get_running_loop().create_task(self._settle(key, doubt))

    def ended(self, client_id: str) -> None:
        """The connector has said how an order ended."""
        doubt = self._doubts.pop(order_id_of(client_id), None)
        if doubt is not None and doubt.task is not None:
            doubt.task.cancel()

    async def close(self) -> None:
        """Asks no more."""
        doubts, self._doubts = self._doubts, {}
        await stopped(*(doubt.task for doubt in doubts.values() if doubt.task is not None))

    async def _settle(self, key: str, doubt: _Doubt) -> None:
        """Asks ever more slowly. After a refusal without end; else what nobody knows of is left when asked often."""
        pause, last = 0.0, None
        while True:
            count, refusal = doubt.count, doubt.refusal
            name = doubt.client_id if refusal is None else refusal.client_id
            found = await self._lookup(name, doubt.broker_order_id)
            if self._answers(found, refusal):
                if count == doubt.count:
                    break
                pause = 0.0
                continue
            if found.presence is not last:
                last = found.presence
                _log.error(
                    "an order is in doubt: an error came of it, and the connector does not say what it is now",
                    broker=self._broker,
                    order=key,
                    lookup=str(last),
                    why=found.reason,
                )
            silent = found.presence is Presence.UNAVAILABLE
            if pause >= _LONGEST_PAUSE_S and not doubt.refused and not silent:
                break
            pause = min(max(pause * 2, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
            await asyncio.sleep(pause)
        if self._doubts.get(key) is doubt:
            del self._doubts[key]

    def _answers(self, found: Lookup, refusal: Answered | None) -> bool:
        """Whether it is known what became of the order; then it is told."""
        if found.presence is Presence.FOUND:
            for report in found.reports:
                self._tell(report)
            return True
        if found.presence is Presence.ABSENT and refusal is not None:
            name, reason = refusal.client_id, refusal.reason
            self._tell(Ended(broker=self._broker, client_id=name, end=End.REJECTED, reason=reason))
            return True
        return False
