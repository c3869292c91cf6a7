"""The watch: does what time brings, and throws the kill switch where something is wrong.

It rests while nothing happens: quotes, entries and outages wake it, and moments at which something is due. The gate's
own refusals are no sign of trouble; what brokers reject is.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from ordergate.application.decide.halting import next_cancel
from ordergate.application.decide.silence import armed
from ordergate.application.entry import Entry, Origin
from ordergate.application.ports.clock import Clock
from ordergate.application.runner import Runner
from ordergate.application.triggers import Triggers
from ordergate.domain.errors import OutcomeUnknown, Refused, StoreError
from ordergate.domain.orders.events import OrderRejected
from ordergate.domain.risk.commands import ThrowSwitch, ValueFunds
from ordergate.domain.risk.kill_switch import Mode, Trigger
from ordergate.domain.risk.limits import FIRM, Level

PAUSE_S: Final = 0.5
"""Between two looks, so that what happened is acted on within a second."""
_RETRY_S: Final = 1.0
_LONGEST_REST_S: Final = 3_600.0
"""Between two looks at a clock that may be set."""
_WINDOW: Final = timedelta(minutes=1)
_BY_BROKER: Final = "REJECTED_BY_BROKER"
_ORIGIN: Final = Origin(source="watch")
_log = structlog.get_logger("ordergate.watching")


class Watch:
    """Counts from when it is made; acts while it is started."""

    def __init__(self, runner: Runner, clock: Clock, triggers: Triggers) -> None:
        self._runner, self._clock, self._triggers = runner, clock, triggers
        self._rejections: dict[str, deque[datetime]] = {}
        self._missing_since: dict[str, datetime] = {}
        self._stale: set[str] = set()
        self._handled: StoreError | None = None
        self._running: asyncio.Task[None] | None = None
        runner.listen(self._committed)

    def look_for(self, triggers: Triggers) -> None:
        """Throws the switch on these from now on."""
        self._triggers = triggers
        self._runner.stirred.set()

    def _committed(self, entries: Sequence[Entry]) -> None:
        self._runner.stirred.set()
        for entry in entries:
            event = entry.event
            if isinstance(event, OrderRejected) and event.code == _BY_BROKER:
                self._rejections.setdefault(entry.principal, deque()).append(entry.time)

    async def start(self) -> None:
        """Looks once, so that days have begun before anything is traded, and then whenever something happens.

        Raises:
            StoreError: the store cannot take what has to be journalled.
        """
        self._handled = self._runner.outage
        await self._look()
        self._running = asyncio.get_running_loop().create_task(self._run())
        self._running.add_done_callback(self._ended)

    def _ended(self, running: asyncio.Task[None]) -> None:
        failure = None if running.cancelled() else running.exception()
        if failure is not None:
            self._runner.fail(failure)

    async def close(self) -> None:
        """Looks no more."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None

    async def _run(self) -> None:
        pause = PAUSE_S
        while True:
            await self._clock.sleep(pause)
            await self._rest()
            try:
                await self._look()
                pause = PAUSE_S
            except (Refused, StoreError, OutcomeUnknown) as error:
                _log.warning("the watch looks again", error=str(error))
                self._runner.stirred.set()
                pause = _RETRY_S

    async def _rest(self) -> None:
        """Returns at once where something has happened since the last look, else when something does, or is due."""
        stirred = self._runner.stirred
        if self._triggers.stale_feed_s is None:  # else what does not come has to be noticed too
            try:
                async with asyncio.timeout(self._due_in_s()):
                    await stirred.wait()
            except TimeoutError:
                pass
        stirred.clear()

    def _due_in_s(self) -> float | None:
        """Until a day begins for what is held, a change of limits is over, a strategy has been silent for too long,
        or a cancel that was refused under a halt is asked for again.

        None where nothing is due.
        """
        now, state = self._clock.now(), self._runner.engine.state
        due = [row.reverts_at for row in state.limits.rows.values() if row.reverts_at is not None]
        due += [one.until for one in armed(state, now)]
        due += [at for at in (next_cancel(state),) if at is not None]
        if any(position.quantity for position in state.positions.rows.values()):
            due.append(now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1))
        return min(max((min(due) - now).total_seconds(), 0.0), _LONGEST_REST_S) if due else None

    async def _look(self) -> None:
        for thrown in (self._after_an_outage(), *self._bursts(), self._stale_feed()):
            if thrown is not None:
                await self._throw(thrown)
        if self._runner.engine.is_due(self._clock.now()):
            await self._runner.execute(ValueFunds(), _ORIGIN)

    async def _throw(self, thrown: ThrowSwitch) -> None:
        try:
            await self._runner.execute(thrown, _ORIGIN)
        except Refused as refused:  # somebody was faster; looked at again with the next news
            _log.warning("a trigger was refused", trigger=thrown.trigger, error=str(refused))
            return
        if thrown.trigger is Trigger.STORE:
            self._handled = self._runner.outage
        if thrown.trigger is Trigger.STALE_FEED:
            self._stale = self._stale_symbols()

    def _after_an_outage(self) -> ThrowSwitch | None:
        """Tried until the store takes it."""
        outage = self._runner.outage
        if not self._triggers.store_failure or outage is self._handled:
            return None
        reason = f"the database could not be used: {outage}"
        return ThrowSwitch(level=Level.FIRM, name="", reason=reason, trigger=Trigger.STORE)

    def _bursts(self) -> list[ThrowSwitch]:
        """For each broker that has rejected more within a minute than it may, and is not halted yet."""
        return [burst for broker in self._rejections if (burst := self._burst(broker)) is not None]

    def _burst(self, broker: str) -> ThrowSwitch | None:
        state, scope, now = self._runner.engine.state, (Level.BROKER, broker), self._clock.now()
        halt, since, rejections = state.halts.get(scope), now - _WINDOW, self._rejections[broker]
        while rejections and rejections[0] <= since:
            rejections.popleft()
        row = state.limits.get(scope)
        most = None if row is None else row.at(now).max_rejections_per_min
        if most is None or (halt is not None and halt.holds and halt.mode is Mode.HALT):
            return None
        lifted_at = None if halt is None else halt.lifted_at
        count = sum(1 for at in rejections if lifted_at is None or at > lifted_at)
        if count <= most:
            return None
        reason = f"{broker} rejected {count} orders within a minute: at most {most} may be"
        return ThrowSwitch(level=Level.BROKER, name=broker, reason=reason, trigger=Trigger.REJECTIONS)

    def _stale_feed(self) -> ThrowSwitch | None:
        """Once for each time that a symbol goes stale, and not while the firm is stopped anyway."""
        stale = self._stale_symbols()
        self._stale &= stale
        halt = self._runner.engine.state.halts.get(FIRM)
        new = sorted(stale - self._stale)
        if not new or (halt is not None and halt.holds):
            return None
        reason = f"no quote of {', '.join(new[:10])} for {self._triggers.stale_feed_s} s"
        return ThrowSwitch(
            level=Level.FIRM, name="", reason=reason, mode=Mode.REDUCE_ONLY, trigger=Trigger.STALE_FEED
        )

    def _stale_symbols(self) -> set[str]:
        """Those held or worked without a quote for too long; one that never came counts from when it was needed."""
        if self._triggers.stale_feed_s is None:
            return set()
        now, quotes = self._clock.now(), self._runner.engine.view.quotes
        oldest, symbols = now - timedelta(seconds=self._triggers.stale_feed_s), set(self._live_symbols())
        missing = symbols - quotes.keys()
        self._missing_since = {symbol: self._missing_since.get(symbol, now) for symbol in missing}
        late = {s for s in symbols & quotes.keys() if not quotes[s].pinned and quotes[s].time < oldest}
        return late | {symbol for symbol, since in self._missing_since.items() if since < oldest}

    def _live_symbols(self) -> list[str]:
        return list(self._runner.engine.state.exposures.symbols())
