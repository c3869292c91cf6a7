"""Tells the table what became of its signals; nothing waits for that, and nothing depends on it."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from itertools import islice
from typing import Final

import structlog

from ordergate.api.clickhouse.link import SignalRows
from ordergate.api.gate import Gate
from ordergate.application.stopping import stopped
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import State

FOLLOWED: Final = timedelta(days=1)
"""So long an order's end is told."""
_AT_ONCE: Final = 500
_MOST: Final = 10_000
_LOOKED_S: Final = 5.0
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0
_ENDS: Final[Mapping[State, str]] = {
    State.FILLED: "filled",
    State.CLOSED: "filled",
    State.CANCELED: "cancelled",
    State.EXPIRED: "cancelled",
    State.REJECTED: "failed",
    State.FAILED: "failed",
}
SUBMITTED: Final = "submitted"
_log = structlog.get_logger("ordergate.clickhouse")


def status_of(order: Order | None) -> str:
    """The `execution_status` of a signal whose order that is; None: it made none."""
    return "failed" if order is None else _ENDS.get(order.state, SUBMITTED)


class Teller:
    """Writes back in batches, from a connection of its own."""

    def __init__(self, gate: Gate, rows: SignalRows) -> None:
        self._gate, self._rows = gate, rows
        self._untold: dict[str, tuple[str, str | None]] = {}
        self._news = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins."""
        self._running = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Ends; what is untold is found again by whoever asks the table next."""
        if self._running is not None:
            await stopped(self._running)
        self._untold.clear()

    def tell(self, signal_id: str, status: str, order_id: str | None) -> None:
        """Is written soon. Of too many the oldest are left out."""
        self._untold[signal_id] = status, order_id
        while len(self._untold) > _MOST:
            del self._untold[next(iter(self._untold))]
        self._news.set()

    async def _run(self) -> None:
        pause, told = _FIRST_PAUSE_S, False
        while True:
            try:
                unwritable = await self._rows.check()
                if unwritable is not None:
                    _log.warning("what becomes of signals is not written back", why=unwritable)
                    return
                if told:
                    _log.info("what becomes of signals is written back again")
                pause, told = _FIRST_PAUSE_S, False
                while True:
                    await self._round()
            except Exception as error:  # whatever it is: orders do not depend on it
                if not told:
                    error_said = str(error) or repr(error)
                    _log.warning("what became of signals cannot be written back", error=error_said)
                told = True
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def _round(self) -> None:
        self._news.clear()
        since = self._gate.clock.now() - FOLLOWED
        while self._untold:
            batch = dict(islice(self._untold.items(), _AT_ONCE))
            await self._rows.mark([(one, *said) for one, said in batch.items()], since)
            for one, said in batch.items():
                if self._untold.get(one) == said:
                    del self._untold[one]
        try:
            async with asyncio.timeout(_LOOKED_S):
                await self._news.wait()
        except TimeoutError:
            await self._look_for_ends()

    async def _look_for_ends(self) -> None:
        """Orders that have ended since they were told as submitted."""
        ids = await self._rows.submitted(self._gate.clock.now() - FOLLOWED, _MOST)
        for first in range(0, len(ids), _AT_ONCE):
            found = await self._gate.queries.orders_of_signals(signal_id=tuple(ids[first : first + _AT_ONCE]))
            for signal_id, order in {order.signal_id: order for order in found}.items():  # the newest of each
                status = status_of(order)
                if status != SUBMITTED and signal_id is not None:
                    self.tell(signal_id, status, order.order_id)
            await asyncio.sleep(0)  # orders go first
