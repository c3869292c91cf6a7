"""One session: takes the folder over, and follows what the expert writes.

The expert's clock is that of its heartbeat, and the time since on ours that cannot jump. A heartbeat that stands still
is a dead terminal: nothing new is sent to it.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

import structlog

from ordergate.adapters.brokers.mt4.book import Book
from ordergate.adapters.brokers.mt4.files import Disk, NotBegun, NotWritten, Overdue, PerhapsWritten
from ordergate.adapters.brokers.mt4.folder import Folder, Look, Owner
from ordergate.adapters.brokers.mt4.ids import made_at
from ordergate.adapters.brokers.mt4.plans import kept
from ordergate.adapters.brokers.mt4.settings import Mt4Settings
from ordergate.adapters.brokers.mt4.tailing import Place
from ordergate.adapters.brokers.mt4.telling import Telling
from ordergate.adapters.brokers.mt4.wire import Account, Orders, Symbol, Unreadable
from ordergate.application.ports.brokers import Sink
from ordergate.application.ports.clock import Clock
from ordergate.application.stopping import stopped
from ordergate.domain.instruments import Instrument
from ordergate.domain.money import plain
from ordergate.domain.orders.reports import AnyReport

_UNREADABLE_S: Final = 5.0
"""What cannot be read for so long is not there."""
_CALLING_S: Final = 180
"""For how long the terminal may be in a call, and write nothing."""
_APART_S: Final = 5
"""By how much our reckoning of the expert's clock may be wrong."""
_NEVER: Final = 1
"""A time before every journal."""
T = TypeVar("T")
_log = structlog.get_logger("ordergate.brokers.mt4")

Catalogue = Callable[[str], Instrument | None]


class Behind(Exception):
    """What the expert has told is not all there yet, or cannot be understood yet."""


class Session:
    """Of one account.

    Attributes:
        granted: whether the expert takes our commands.
        taken_over: a later session has ended this one.
        why: what is wrong with the folder now, as far as that was seen.
        seen: when the heartbeat moved last, on our clock.
        lost: events were lost, and what they would have told was not read yet.
        awaited: of tickets that results have told of, what the events will tell.
        wanted: who waits for a result, by its id.
    """

    def __init__(
        self,
        name: str,
        settings: Mt4Settings,
        clock: Clock,
        catalogue: Catalogue,
        sink: Sink,
        cursor: str | None,
    ) -> None:
        self._name, self._settings, self._clock, self._catalogue = name, settings, clock, catalogue
        self._telling = Telling(sink, cursor)
        self.folder, self._disk = Folder(settings.folder), Disk(name)
        self.theirs: dict[str, str] = {theirs: ours for ours, theirs in settings.symbols.items()}
        self.symbols: Mapping[str, Symbol] = {}
        self.account: Account | None = None
        self.book = Book(name, self.theirs, self.quantity)
        self.owner: Owner | None = None
        self.granted = self.taken_over = False
        self.why: str | None = None
        self.seen: datetime = clock.now()
        self.decided, self.lost = asyncio.Event(), asyncio.Event()
        self.awaited: set[str] = set()
        self.wanted: dict[str, Callable[[dict[str, Any]], None]] = {}
        self._seen_at = 0.0
        self._short: tuple[tuple[str, int], float] | None = None
        self._place: Place | None = None
        self._plans_read = False
        self._held: list[dict[str, Any]] = []
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    # --- beginning and end

    def start(self) -> None:
        """Begins to follow."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Follows no more; what was handed over is done or not."""
        if self._task is not None:
            await stopped(self._task)
        self._disk.close()

    async def _run(self) -> None:
        while True:
            try:
                found = await self.look()
                await self._own()
                if found.more:
                    continue
            except (Behind, OSError, Unreadable, NotWritten, PerhapsWritten, NotBegun, Overdue) as error:
                self._cannot(str(error))
            await asyncio.sleep(self._settings.poll_ms / 1000)

    async def do(self, job: Callable[[], T]) -> T:
        """Something with files. Raises NotBegun, Overdue, and as the job."""
        return await self._disk.do(job, self._settings.deadline_s)

    def _cannot(self, why: str | None) -> None:
        if why is not None and why != self.why:
            _log.error("the bridge cannot be followed", broker=self._name, why=why)
        if why is None and self.why is not None:
            _log.info("the bridge is followed again", broker=self._name)
        self.why = why

    # --- following

    async def look(self) -> Look:
        """Reads what is new, and tells it. Raises Behind, NotBegun and Overdue."""
        async with self._turn:
            await self._read_plans()
            found = await self.do(lambda: self.folder.look(tuple(self.wanted), self._place))
            self._place = found.place  # only now: who was told of nothing is told again
            self._beat(found)
            self._held += found.lines
            if not self.symbols or self._held:
                with suppress(Unreadable):
                    self.symbols = await self.do(self.folder.symbols)
            self._take()
            await self._all_read(found)
            for name, said in found.results.items():
                if name in self.wanted:
                    self.wanted[name](said)
            return found

    async def _read_plans(self) -> None:
        """What orders were to do, and how far they were tried: before it is known, nothing is told and nothing sent.
        Raises Behind, NotBegun and Overdue."""
        if self._plans_read:
            return
        try:
            self.book.plans.update(await self.do(lambda: kept(self.folder.plans)))
        except (OSError, Unreadable) as error:
            raise Behind(str(error)) from error
        self._plans_read = True

    def _beat(self, found: Look) -> None:
        account = found.account
        if account is None:
            self._cannot(found.why or "the expert's heartbeat, state/account.json, is not there")
            return
        before = self.account
        if before is None or account.journal != before.journal or account.place > before.place:
            self._seen_at, self.seen = asyncio.get_running_loop().time(), self._clock.now()
            self.account = account
        self.book.currency = account.currency
        self.book.offset_s = account.offset_s if account.offset_known else None
        if not self._held:
            self._cannot(found.why)
        owner = self.owner
        if owner is not None and not self.taken_over:
            self.granted = (account.gen, account.session) == (owner.gen, owner.session)
            if self.granted:
                self.decided.set()

    def _take(self) -> None:
        """Tells what is held, in its order; what cannot be understood yet is held on."""
        book = self.book
        while self._held:
            try:
                reports = book.take(self._held[0])
            except Unreadable as error:
                _log.error("a line of the events cannot be read", broker=self._name, error=str(error))
                reports = []
            except Behind as behind:
                self._cannot(str(behind))
                return
            self._held.pop(0)
            self._telling.pass_on(reports, book.stream, book.n)
        self._tell_gap()

    async def _all_read(self, found: Look) -> None:
        """Nothing more is there to be read now. What the expert has counted beyond it, and nobody can read, is lost."""
        account, book, now = found.account, self.book, asyncio.get_running_loop().time()
        if account is None or found.more or self._held:
            return
        reached = book.stream, book.n
        if book.stream == account.stream and book.n >= account.event:
            self._short = None
            self._telling.all_read()
            if self._telling.lost:
                self._telling.lost, book.gap = False, True
                self._tell_gap()
        elif self._short is None or self._short[0] != reached:
            self._short = reached, now
            self._place = None
        elif now - self._short[1] > _UNREADABLE_S:
            self._short = None
            book.skip_to(account.stream, account.event)
            self._tell_gap()

    def _tell_gap(self) -> None:
        if self.book.gap:
            self.book.gap = False
            self.awaited.clear()
            self.lost.set()
            _log.error("events were lost: compare the account", broker=self._name, before=self.book.n)

    def tell(self, reports: list[AnyReport]) -> None:
        """Tells what no event has said."""
        self._telling.tell(reports)

    async def fresh(self) -> Orders:
        """What is open and works now, once everything that has happened was told.

        Raises:
            Behind: it could not be had in time, and why.
        """
        why: str | None = "the terminal was not asked yet"
        try:
            async with asyncio.timeout(self._settings.deadline_s):
                while True:
                    found = await self.look()
                    why = self._lacks(found)
                    if why is None and found.orders is not None:
                        return found.orders
                    await asyncio.sleep(self._settings.poll_ms / 1000)
        except (TimeoutError, NotBegun, Overdue) as error:
            raise Behind(why or str(error)) from error

    def _lacks(self, found: Look) -> str | None:
        """Why a look does not show everything."""
        account, orders, dead = found.account, found.orders, self.dead()
        if dead is not None:
            return dead
        if account is None or orders is None:
            return found.why or "what is open was not there to be read"
        if self._held:
            return self.why
        if self.book.stream != account.stream or self.book.n < account.event:
            return "the events are not all there yet"
        if not orders.complete or orders.count != len(orders.rows):
            return "the terminal does not know all that is open"
        if orders.event != self.book.n:
            return "what is open, and the events, are not of one moment yet"
        self.awaited -= self.book.seen
        return f"the terminal has not told yet of {min(self.awaited)}" if self.awaited else None

    def quantity(self, symbol: str, lots: Decimal) -> Decimal:
        """Of our symbol, in the instrument's unit.

        Raises:
            Behind: how much a lot of it is cannot be told.
        """
        instrument, theirs = self._catalogue(symbol), self._settings.symbols[symbol]
        if instrument is None:
            raise Behind(f"symbols.{symbol}: there is no such instrument: configure it")
        if theirs not in self.symbols:
            raise Behind(
                f"symbols.{symbol}: the terminal does not tell of {theirs}: show it in its Market Watch"
            )
        return plain(lots * self.symbols[theirs].lot_size / instrument.contract_size)

    # --- the owner

    async def _own(self) -> None:
        """Takes the folder over, once the expert is there. Raises Unreadable, NotWritten, PerhapsWritten, NotBegun and
        Overdue."""
        account, owner = self.account, self.owner
        if account is None or self.granted or self.taken_over:
            return
        beaten = owner is not None and account.gen >= owner.gen
        if beaten and self.decided.is_set():
            self.taken_over = True
        elif owner is None or beaten:
            there = await self.do(self.folder.owner)
            gen = max(account.gen, 0 if there is None else there.gen) + 1
            mine = Owner(gen=gen, session=secrets.token_hex(8))
            await self.do(lambda: self.folder.own(mine, account.gmt))
            self.owner = mine

    # --- the expert's clock

    @property
    def now(self) -> int:
        """The expert's clock, never ahead of it."""
        account = self.account
        return 0 if account is None else account.gmt + int(self._still)

    @property
    def _still(self) -> float:
        """For how many seconds the heartbeat has not moved."""
        return asyncio.get_running_loop().time() - self._seen_at

    def sent_after(self, client_id: str) -> int | None:
        """The expert's time before which a request was not sent; None where its journal is trusted to go back to it.

        A stream that is another than that of the cursor is a journal that may be new, too.
        """
        if self._telling.stream not in ("", self.book.stream):
            return _NEVER
        made = made_at(client_id)
        if made is None:
            return None
        return self.now - int((self._clock.now() - made).total_seconds()) - _APART_S

    def dead(self) -> str | None:
        """Why the terminal takes nothing now; None where it lives."""
        account = self.account
        if self.taken_over:
            return "a later session has taken the bridge over"
        if account is None:
            return self.why or "the expert's heartbeat is not there"
        most = max(_CALLING_S, self._settings.quiet_s) if account.calling else self._settings.quiet_s
        if self._still > most:
            return f"the terminal is dead: its expert has written nothing for {self._still:.0f} s"
        return None if self.granted else "the expert has not granted this session yet"

    def deaf(self) -> str | None:
        """Why no order is sent now; None where it is."""
        account, dead = self.account, self.dead()
        if dead is not None or account is None:
            return dead
        if not account.ready:
            return f"the expert is not ready: {account.why or 'it does not say why'}"
        if not account.trade_allowed:
            return "the terminal lets no program trade: switch on automated trading there"
        return None
