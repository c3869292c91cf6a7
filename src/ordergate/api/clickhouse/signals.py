"""Approved signals of a table become orders: one node asks for them every so often.

There is no place up to which the table was read, so rows may come late and in any order: all that are approved and
pending, and not too old to make an order, are looked at each time. A signal that has made an order, or was refused,
does so once for all: the journal knows, whatever becomes of the table.
"""

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog
from msgspec import Struct

from ordergate.api.clickhouse.link import SignalRow, SignalRows
from ordergate.api.clickhouse.settings import SignalInputs
from ordergate.api.clickhouse.telling import Teller, status_of
from ordergate.api.gate import Gate
from ordergate.api.orders import is_refused
from ordergate.api.signals import Came, Signals
from ordergate.api.taking import Dead, judged
from ordergate.application import tallying
from ordergate.application.entry import Origin
from ordergate.application.ownership import Tenure
from ordergate.application.stopping import stopped
from ordergate.domain.orders.order import Order

NAME: Final = "clickhouse signals"
"""In the figures."""
_AT_ONCE: Final = 500
_TRIES: Final = 20
"""Of a signal at which the program fails."""
_TOLD_AGAIN_S: Final = 10.0
_SLACK: Final = timedelta(seconds=60)
_DAY: Final = timedelta(days=1)
_COUNTED_S: Final = 60.0
_FIRST_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 5.0
_log = structlog.get_logger("ordergate.clickhouse")


class _Done(Struct):
    """What became of a signal, and when the table is told again, should it not say so."""

    status: str
    order_id: str | None
    at: float = 0.0
    pause_s: float = _TOLD_AGAIN_S


class SignalPoll:
    """The duty of asking a table for approved signals.

    Args:
        rows: the table.
        teller: tells the table what became of them; None tells nothing.
    """

    def __init__(self, gate: Gate, rows: SignalRows, teller: Teller | None, settings: SignalInputs) -> None:
        self._gate, self._rows, self._teller, self._settings = gate, rows, teller, settings
        self._signals = Signals(gate, settings.max_age_s)
        self._most = timedelta(seconds=settings.max_age_s)
        self._running: asyncio.Task[None] | None = None
        self._closed = False
        self._forget()

    def _forget(self) -> None:
        self._done: dict[str, _Done] = {}
        self._tries: dict[str, int] = {}
        self._left, self._counts_at = 0, 0.0
        self._writes_back = False

    @property
    def lease(self) -> str:
        """Of the table."""
        return "inlet:clickhouse-signals"

    @property
    def broken(self) -> bool:
        """Never: what fails is tried again."""
        return False

    async def begin(self, tenure: Tenure) -> None:
        """Begins to ask."""
        if self._closed:
            return
        self._forget()
        self._running = asyncio.get_running_loop().create_task(self._run())
        if self._teller is not None:
            self._teller.start()

    async def end(self) -> None:
        """Asks no more."""
        if self._running is not None:
            await stopped(self._running)
        if self._teller is not None:
            await self._teller.stop()

    async def close(self) -> None:
        """Ends for good, also where the lease is kept."""
        self._closed = True
        await self.end()

    async def _run(self) -> None:
        pause, told = _FIRST_PAUSE_S, False
        while True:
            try:
                unwritable = await self._rows.check()
                self._writes_back = self._teller is not None and unwritable is None
                if told:
                    _log.info("signals are taken again", what=NAME)
                pause, told = _FIRST_PAUSE_S, False
                while True:
                    await self._round()
                    await asyncio.sleep(self._settings.every_ms / 1_000)
            except Exception as error:  # whatever it is: the table is asked again
                if not told:
                    _log.warning("no signals can be taken", what=NAME, error=str(error) or repr(error))
                told = True
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def _round(self) -> None:
        """Looks at all that may make an order."""
        since = self._gate.clock.now() - self._most - _SLACK
        there: set[str] = set()
        after: tuple[datetime, str] | None = None
        while True:
            page = await self._rows.approved(since, after, _AT_ONCE)
            await self._take(page, there)
            if len(page) < _AT_ONCE:
                break
            after = page[-1].at, page[-1].signal_id
        self._done = {one: done for one, done in self._done.items() if one in there}
        self._tries = {one: tries for one, tries in self._tries.items() if one in there}
        await self._count_left(since)

    async def _take(self, page: Sequence[SignalRow], there: set[str]) -> None:
        fresh = []
        for row in page:
            done = self._done.get(row.signal_id)
            if done is not None:
                self._tell_again(row.signal_id, done)
            elif row.signal_id not in there:
                fresh.append(row)
            there.add(row.signal_id)
        if not fresh:
            return
        ids = tuple(row.signal_id for row in fresh)
        known = {
            str(order.signal_id): order for order in await self._gate.queries.orders_of_signals(signal_id=ids)
        }
        refused = await self._refused(ids)
        for row in fresh:
            order = known.get(row.signal_id)
            if order is not None:
                self._ended(row, "replayed", order)
            elif row.signal_id in refused:
                self._ended(row, "replayed", None)
            else:
                await self._one(row)

    async def _refused(self, ids: tuple[str, ...]) -> set[str]:
        """Those that were refused before: the journal has it once."""
        rows = await self._gate.queries.reader.select("refusals", {"signal_id": ids})
        return {row.signal_id for row in rows}

    async def _one(self, row: SignalRow) -> None:
        try:
            order, replayed = await self._signals.take(_came(row))
        except Dead as dead:
            self._die(row, dead)
        except Exception as error:
            judgement = judged(error)
            if isinstance(judgement, Dead):
                self._die(row, judgement)
            else:
                self._again(row, error, expected=judgement is not None)
        else:
            refused = is_refused(order)
            self._ended(row, "replayed" if replayed else "refused" if refused else "done", order)

    def _die(self, row: SignalRow, dead: Dead) -> None:
        _log.warning("a signal makes no order", signal=row.signal_id, code=dead.code, why=dead.reason)
        self._ended(row, "dead", None)

    def _again(self, row: SignalRow, error: Exception, *, expected: bool) -> None:
        """It comes again with the next round; where the program fails at it, only so often."""
        tries = self._tries[row.signal_id] = self._tries.get(row.signal_id, 0) + 1
        if not expected and tries >= _TRIES:
            self._die(row, Dead("internal_error", f"{type(error).__name__}: {error}"))
            return
        if tries == 1:
            _log.warning(
                "a signal is tried again", signal=row.signal_id, why=str(error), exc_info=not expected
            )
        tallying.messages[NAME, "again"] += 1

    def _ended(self, row: SignalRow, said: str, order: Order | None) -> None:
        order_id = None if order is None else order.order_id
        self._done[row.signal_id] = done = _Done(status_of(order), order_id)
        tallying.messages[NAME, said] += 1
        self._tell_again(row.signal_id, done)

    def _tell_again(self, signal_id: str, done: "_Done") -> None:
        """The table still says that it is pending: it was told wrongly that it had been changed, or is slow."""
        now = asyncio.get_running_loop().time()
        if self._teller is not None and now >= done.at:
            done.at, done.pause_s = now + done.pause_s, done.pause_s * 2
            self._teller.tell(signal_id, done.status, done.order_id)

    async def _count_left(self, since: datetime) -> None:
        """Says how many came too late to be looked at, whenever there are more.

        Where nothing is written back, those that have made orders cannot be told from them by the table.
        """
        if not self._writes_back:
            return
        now = asyncio.get_running_loop().time()
        if now < self._counts_at:
            return
        self._counts_at = now + _COUNTED_S
        left = await self._rows.left_behind(since - _DAY, since)
        if left > self._left:
            seconds = self._settings.max_age_s
            _log.warning(
                "approved signals came too late", count=left, of_the_last="day", older_than_s=seconds
            )
        self._left = left


def _came(row: SignalRow) -> Came:
    body = {**row.fields, "created_at": row.at.isoformat()}
    origin = Origin(
        actor="local", principal="local", source="clickhouse", request=f"trading_signals/{row.signal_id}"
    )
    return Came(body=body, text=json.dumps(body, ensure_ascii=False), at=row.at, origin=origin)
