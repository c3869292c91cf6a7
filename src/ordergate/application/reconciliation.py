"""The reconciler of one broker's account: asks for its statement, compares, and says what does not fit.

It looks when the session begins, every so often, after each order where that is wanted, and when somebody asks. What
was not told is asked for and booked as reports are; nothing else is ever booked, and nothing is traded. A statement
that is incomplete, fails, or says what cannot be, says nothing.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import localcontext
from typing import Final

import structlog
from msgspec import Struct, field

from ordergate.application.account_record import AccountRecord
from ordergate.application.comparison import AccountTerms, Comparison, Found, Policy, is_done
from ordergate.application.entry import Entry, Origin
from ordergate.application.fetching import asked_of, book_closings, confirm, fetch, statement_of
from ordergate.application.health import BrokerHealth
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.journal import RowReader
from ordergate.application.runner import Runner
from ordergate.domain.breaks import Break, BreakKind, Cause
from ordergate.domain.errors import OutcomeUnknown, Refused, StoreError
from ordergate.domain.money import EXACT
from ordergate.domain.orders.events import BreakRaised
from ordergate.domain.recon.commands import AdjustBreak, Reconcile
from ordergate.domain.recon.comparing import BY_NAME, certain, compare, covers, is_explained
from ordergate.domain.recon.difference import Difference
from ordergate.domain.recon.executed import whole_closings
from ordergate.domain.recon.statement import Statement
from ordergate.domain.risk.commands import ThrowSwitch
from ordergate.domain.risk.kill_switch import Mode, Trigger
from ordergate.domain.risk.limits import Level

_PAUSES_S: Final = (1.0, 2.0, 4.0)
"""Between looks at the same difference, before it counts for good."""
_LONGEST_PAUSE_S: Final = 30.0
"""Between looks at an account that could not be compared."""
_FIRST_S: Final = 2.0
_LONGEST_S: Final = 16.0
"""Twice the pauses between looks at what is under way."""
_BACK: Final = timedelta(days=1)
"""How far back the first comparison of a session looks at executions."""
_OVERLAP: Final = timedelta(minutes=1)
_LIES: Final = (
    BreakKind.OVERFILL, BreakKind.UNSENT_FILL, BreakKind.WRONG_SIDE, BreakKind.WRONG_INSTRUMENT,
    BreakKind.BAD_EXECUTION,
)  # fmt: skip
"""What a broker says of a trade that cannot be, or should not: it may be wrong about others, too."""
_ORIGIN: Final = Origin(source="reconciliation", principal="reconciliation")
_log = structlog.get_logger("ordergate.reconciliation")


class _Look(Struct):
    """What one statement showed: what counts, what may come right by itself, and how much somebody has explained."""

    counted: tuple[Difference, ...] = ()
    perhaps: tuple[Difference, ...] = ()
    covered: frozenset[BreakKind] = field(default_factory=frozenset)
    asked_after: datetime | None = None
    explained: int = 0


class Reconciler:
    """Of the account behind one session; `reader` has orders that memory has forgotten, `health` hears how it went.

    Attributes:
        has_looked: set once a statement was compared, and what it means journalled, and what was not told asked for.
    """

    def __init__(
        self, health: BrokerHealth, runner: Runner, reader: RowReader, clock: Clock, terms: AccountTerms
    ) -> None:
        self._health, self._runner, self._clock = health, runner, clock
        broker = self._broker = health.broker
        self._how, self._terms = terms, terms.for_broker(broker.capabilities.grace_s)
        self._record = AccountRecord(broker.name, runner, reader)
        self._loop, self._wanted, self._turn = asyncio.get_running_loop(), asyncio.Event(), asyncio.Lock()
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self.has_looked = asyncio.Event()
        self._stood: dict[str, tuple[Difference, float]] = {}
        self._since = clock.now() - _BACK
        self._lies: asyncio.Queue[Break] = asyncio.Queue()
        self._again: asyncio.TimerHandle | None = None
        self._pause_s = _FIRST_S

    def compare_so(self, terms: AccountTerms) -> None:
        """Compares on these terms from now on, and once at once."""
        self._how, self._terms = terms, terms.for_broker(self._broker.capabilities.grace_s)
        self._wanted.set()

    def start(self) -> None:
        """Compares soon, and from then on whenever something asks for it."""
        self._runner.listen(self._committed)
        self._wanted.set()
        self._tasks = (self._loop.create_task(self._run()), self._loop.create_task(self._halt_for_lies()))
        for task in self._tasks:
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            self._runner.fail(failure)

    async def close(self) -> None:
        """Looks no more."""
        self._runner.unlisten(self._committed)
        self._look_again(0)
        tasks, self._tasks = self._tasks, ()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _committed(self, entries: Sequence[Entry]) -> None:
        self._record.follow(entries)
        for entry in entries:
            event = entry.event
            if isinstance(event, BreakRaised) and event.item.broker == self._broker.name:
                if event.item.kind in _LIES and self._how.policy is Policy.HALT:
                    self._lies.put_nowait(event.item)
                    self._wanted.set()
            elif self._how.strict and is_done(event):
                self._wanted.set()

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._next_s):
                    await self._wanted.wait()
            self._wanted.clear()
            try:
                await self.compare()
            except (Refused, StoreError, OutcomeUnknown) as error:
                _log.warning("a comparison is tried again", broker=self._broker.name, error=str(error))

    @property
    def _next_s(self) -> float | None:
        """When it looks again by itself."""
        if not self.has_looked.is_set():
            return _PAUSES_S[0]
        failed = self._health.unread
        return min(_PAUSES_S[0] * 2 ** min(failed, 9), _LONGEST_PAUSE_S) if failed else self._how.every_s

    async def _halt_for_lies(self) -> None:
        """At once: no comparison that is under way is waited for."""
        while True:
            lie, halted = await self._lies.get(), False
            while not halted:
                try:
                    await self._halt(f"{lie.kind}: {lie.detail}")
                    halted = True
                except (Refused, StoreError, OutcomeUnknown) as error:
                    _log.warning("a halt is tried again", broker=self._broker.name, error=str(error))
                    await self._clock.sleep(_PAUSES_S[0])

    def _look_again(self, under_way: int) -> None:
        """Soon, and ever later, as long as something may come right by itself."""
        if self._again is not None:
            self._again.cancel()
        self._again = None
        self._pause_s = min(self._pause_s * 2, _LONGEST_S) if under_way else _FIRST_S
        if under_way and self._tasks:
            self._again = self._loop.call_later(self._pause_s / 2, self._wanted.set)

    async def compare(self) -> Comparison:
        """Compares now, and does what the account's policy says; one comparison at a time.

        Raises:
            StoreError: the store cannot be read or written.
        """
        async with self._turn:
            look = await self._look()
            self._health.looked_at(look if isinstance(look, str) else None)
            if isinstance(look, str):
                name, now = self._broker.name, self._clock.now()
                return Comparison(broker=name, at=now, found=Found.NOT_COMPARED, why=look)
            open_breaks = await self._say(look)
            fetched, _silent = await self._fetch(look)
            self.has_looked.set()
            if fetched:
                again = await self._look()
                if isinstance(again, _Look):
                    look = again
                    open_breaks = await self._say(look, fetched)
            halted = await self._follow_policy(look)
            if self._how.policy is not Policy.ALERT:
                open_breaks = self._open()
            return self._came_to(look, open_breaks, halted=halted)

    def _came_to(self, look: _Look, breaks: tuple[Break, ...], *, halted: bool) -> Comparison:
        self._look_again(len(look.perhaps))
        found = Found.BREAKS if breaks else Found.UNDER_WAY if look.perhaps else Found.AGREES
        return Comparison(
            broker=self._broker.name,
            at=self._clock.now(),
            found=found,
            breaks=breaks,
            under_way=len(look.perhaps),
            explained=look.explained,
            halted=halted,
        )

    async def _look(self) -> _Look | str:
        """One statement against our record; else why there is none."""
        now, asked_at, asked_after = self._loop.time(), self._clock.now(), self._runner.engine.last
        since = self._look_back()
        theirs = await statement_of(self._broker, since)
        if isinstance(theirs, str):
            return theirs
        await self._runner.settled()
        # Where executions are not told, what was booked shortly before may not have reached the broker's figures.
        moved_since = now if theirs.executions is not None else now - self._terms.grace_s
        ours = await self._record.ours(asked_after, moved_since, theirs)
        with localcontext(EXACT):
            found = compare(ours, theirs, self._terms)
        await confirm(self._runner, self._broker.name, whole_closings(ours, theirs, found, self._terms))
        counted, perhaps = certain(found, self._has_stood)
        self._remember(found)
        if all(is_explained(ours, one) for one in found):
            self._since = max(self._since, asked_at - _OVERLAP)
        covered = covers(theirs)
        if theirs.executions_since is not None and theirs.executions_since > since:
            covered -= BY_NAME  # what it does not name may be older
        return _Look(counted, perhaps, covered, asked_after)

    def _look_back(self) -> datetime:
        """From when on executions matter: as far back as a difference of them that was found and is still open."""
        raised = (item.raised_at for item in self._open() if item.kind in BY_NAME)
        return min((at - _BACK for at in raised), default=self._since)

    async def statement(self) -> Statement | None:
        """What the broker says of the account now; None where it fails to."""
        told = await statement_of(self._broker, self._clock.now())
        if isinstance(told, str):
            _log.warning("the account could not be asked for", broker=self._broker.name, error=told)
            return None
        return told

    def _has_stood(self, difference: Difference) -> bool:
        """Whether the same difference, with the same numbers, has been there for the grace."""
        before = self._stood.get(difference.key)
        if before is None or before[0].off != difference.off:
            return False
        return self._loop.time() - before[1] >= self._terms.grace_s

    def _remember(self, found: Iterable[Difference]) -> None:
        now, before = self._loop.time(), self._stood
        self._stood = {}
        for one in found:
            known = before.get(one.key)
            first = known[1] if known is not None and known[0].off == one.off else now
            self._stood[one.key] = one, first

    async def _say(self, look: _Look, fetched: frozenset[str] = frozenset()) -> tuple[Break, ...]:
        """Journals what the comparison means, and leaves of what counts that which nobody has explained."""
        breaks: tuple[Break, ...] = ()
        if look.counted or self._watched():
            command = Reconcile(
                broker=self._broker.name,
                found=look.counted,
                perhaps=frozenset(one.key for one in look.perhaps) | self._raised_since(look.asked_after),
                covers=look.covered,
                fetched=fetched,
            )
            breaks = await self._runner.execute(command, _ORIGIN)
        there = {item.key for item in breaks}
        counted = tuple(one for one in look.counted if one.key in there)
        look.explained = len(look.counted) - len(counted)
        look.counted = counted
        return breaks

    def _raised_since(self, asked_after: datetime | None) -> frozenset[str]:
        """What reports have raised meanwhile: the statement may be older, so nothing is over because it has it not."""
        since = (row for row in self._watched() if asked_after is None or row.raised_at > asked_after)
        return frozenset(row.key for row in since if row.key is not None)

    def _watched(self) -> tuple[Break, ...]:
        rows = self._runner.engine.state.breaks.rows.values()
        return tuple(row for row in rows if row.is_watched and row.broker == self._broker.name)

    def _open(self) -> tuple[Break, ...]:
        return tuple(item for item in self._watched() if item.is_open)

    async def _fetch(self, look: _Look) -> tuple[frozenset[str], frozenset[str]]:
        """Asks for the orders of what was not told, and books what the broker says.

        Gives the keys of those that it told of, and of those of which something was not told.
        """
        told = await book_closings(self._runner, look.counted)
        fetched, silent = await fetch(self._broker, self._runner, self._record, asked_of(look.counted))
        return fetched | told, silent

    async def _follow_policy(self, look: _Look) -> bool:
        """Halts or corrects, where that is to be done; whether it halted."""
        behind = [one for one in look.counted if one.cause is Cause.JOURNAL_BEHIND]
        if behind:
            await self._halt(f"the journal is older than the account: {behind[0].detail}")
            return True
        if not look.counted or self._how.policy is Policy.ALERT:
            return False
        for pause in _PAUSES_S:
            await self._clock.sleep(pause)
            again = await self._look()
            if isinstance(again, _Look):
                await self._say(again)
                look.counted, look.perhaps, look.explained = again.counted, again.perhaps, again.explained
            if not look.counted:
                return False
        if self._how.policy is Policy.CORRECT:
            await self._correct(look)
            return False
        name, first = self._broker.name, look.counted[0].detail
        await self._halt(f"{len(look.counted)} differences from {name}'s own record: {first}")
        return True

    async def _halt(self, reason: str) -> None:
        name = self._broker.name
        halt = self._runner.engine.state.halts.get((Level.BROKER, name))
        if halt is None or not halt.holds or halt.mode is not Mode.HALT:
            throw = ThrowSwitch(level=Level.BROKER, name=name, reason=reason, trigger=Trigger.RECONCILIATION)
            await self._runner.execute(throw, _ORIGIN)

    async def _correct(self, look: _Look) -> None:
        """Books what can be booked of what the last look showed; the rest stays a break.

        Nothing is booked of what orders may explain that the broker does not tell of now.
        """
        fetched, silent = await self._fetch(look)
        again = await self._look() if fetched else look
        if isinstance(again, str):
            return
        await self._say(again, fetched)
        keys = {one.key for one in again.counted} - silent
        for item in self._open():
            if item.kind in (BreakKind.POSITION, BreakKind.BALANCE) and item.key in keys:
                adjust = AdjustBreak(break_id=item.break_id, why="the account's policy is to correct")
                try:
                    await self._runner.execute(adjust, _ORIGIN)
                except Refused as refused:
                    _log.warning("a break could not be corrected", item=item.break_id, error=str(refused))
