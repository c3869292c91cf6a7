"""One session with a terminal: opened, its journal read, then the account is looked at, again and again.

A terminal or an agent that goes away is opened again, ever more slowly; what it did meanwhile is told then. A session
that another has taken over ends: it never comes back by itself. One whose login is refused ends where somebody waits to
hear it; later it is tried again each minute.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Final

import structlog

from ordergate.adapters.brokers.mt5.agent.port import Hello, Refused, Terminal, Unreachable
from ordergate.adapters.brokers.mt5.commands import Commands
from ordergate.adapters.brokers.mt5.link import Failed, Link
from ordergate.adapters.brokers.mt5.looking import Looking, cursor_journal
from ordergate.adapters.brokers.mt5.reading import Reader
from ordergate.adapters.brokers.mt5.server_clock import ServerClock
from ordergate.adapters.brokers.mt5.settings import Mt5Settings
from ordergate.adapters.brokers.mt5.symbols import Unreadable
from ordergate.adapters.brokers.mt5.telling import Telling
from ordergate.application.ports.brokers import Sink
from ordergate.application.ports.clock import Clock
from ordergate.application.stopping import stopped
from ordergate.domain.instruments import Instrument

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_LONGEST_LOOK_S: Final = 1.0
_FORGIVEN_S: Final = 3_600.0
"""After which a session's cursors name the journal that has come in the place of one that was lost."""
_REFUSED_PAUSE_S: Final = 60.0
_AGAIN_S: Final = 0.05
"""After which a terminal that is behind with what it tells is asked again, at first."""
_log = structlog.get_logger("ordergate.brokers.mt5")
Catalogue = Callable[[str], Instrument | None]


class Session:
    """Follows one account until it is closed.

    Args:
        settle_s: how long a terminal may need to catch up, once it has a connection.

    Attributes:
        link: to ask questions over, once `begun`.
        begun: the journal was read, and the account looked at once.
        there: set while the terminal answers.
        decided: set once the account was looked at, or the login refused.
        awaited: whoever began it waits for `decided`, and is told of a login that is refused.
        refused: why the login was refused, so that it has ended.
        why: the account could not be looked at last.
        trusted: the journal has everything that was ever sent, as far as anybody can tell.
        began_at: on the loop's clock, when the terminal was opened last: what others had sent was sent before.
    """

    def __init__(
        self,
        broker: str,
        settings: Mt5Settings,
        terminal: Terminal,
        catalogue: Catalogue,
        clock: Clock,
        sink: Sink,
        cursor: str | None,
        settle_s: float,
    ) -> None:
        self._broker, self._settings, self._clock = broker, settings, clock
        self.link = Link(terminal, settings.deadline_ms / 1000)
        self.server, self.commands = ServerClock(settle_s), Commands()
        self.reader = Reader(broker, settings, catalogue, self.server)
        self.telling = Telling(broker, self.commands, self.reader)
        self.telling.sink, self.telling.cursor = sink, cursor
        self.looking = Looking(
            broker, settings, self.link, self.telling, self.reader, self.server, clock, cursor
        )
        self.there, self.decided, self._soon = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.begun = self.trusted = False
        self.hedging, self.awaited = False, True
        self.refused: str | None = None
        self.why: str | None = None
        self.began_at = 0.0
        self._journal = cursor_journal(cursor)
        self._read: str | None = None
        self._told: str | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins, in a task of its own."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Ends it, and tells no more."""
        self.telling.sink, self.begun = None, False
        self.there.clear()
        if self._task is not None:
            await stopped(self._task)
        await self.link.close()

    def now(self) -> datetime:
        """The present instant."""
        return self._clock.now()

    def look_soon(self) -> None:
        """Something has changed: it is looked at once."""
        self._soon.set()

    async def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while self.refused is None and not self.link.taken_over:
            try:
                await self._begin()
                pause_s = _FIRST_PAUSE_S
                await self._follow()
            except Refused as error:
                self._failed(str(error))
                if self.awaited and not self.begun and not self.link.taken_over:
                    self.refused = str(error)
                    self.decided.set()
                    return
                pause_s = _REFUSED_PAUSE_S
            except (Failed, Unreachable, Unreadable, ValueError) as error:
                self._failed(str(error))
            except Exception as error:  # a defect, or a terminal that says what nobody thought of: begun anew
                _log.exception("the account could not be looked at", broker=self._broker)
                self._failed(f"{type(error).__name__}: {error}")
            finally:
                self.there.clear()
                self.looking.broken()
            if not self.link.taken_over:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        if self.link.taken_over:
            self._failed("another session has taken over")
            self.decided.set()

    def _failed(self, why: str) -> None:
        self.why = why
        if why != self._told:
            _log.error("the terminal cannot be used: orders wait", broker=self._broker, why=why)
        self._told = why

    async def _begin(self) -> None:
        hello = await self.link.open()
        self.began_at = asyncio.get_running_loop().time()
        if hello.login != self._settings.login:
            raise Refused(f"the terminal is logged in to {hello.login}, not to {self._settings.login}")
        self._see_journal(hello)
        await self._read_journal()
        self.hedging = (await self.link.row("account_info")).get("margin_mode") == 2
        await self.looking.look(deep=True)
        self.begun = True
        self.why = self._told = None
        self.there.set()
        self.decided.set()

    def _see_journal(self, hello: Hello) -> None:
        """One that is another than before has lost what was sent: cursors name the old one for a while."""
        self.trusted = self._journal in (None, hello.journal_id)
        if not self.trusted:
            _log.error("the terminal's journal is another one: absence proves nothing", broker=self._broker)
        self._journal = self._journal or hello.journal_id
        self.looking.journal = self._journal
        if self._read not in (None, hello.journal_id):
            self.commands.read_anew()
        self._read = hello.journal_id

    def _forgive(self) -> None:
        """What the lost journal had not told the end of was looked up long since: the new one counts from now on."""
        at = asyncio.get_running_loop().time()
        if not self.trusted and self._read is not None and at - self.began_at > _FORGIVEN_S:
            self.looking.journal = self._read

    async def _read_journal(self) -> None:
        """What was sent, by whomever: a session that has ended sends no more, so nothing is missing.

        What our own calls were cut off from, and the journal does not have, is sealed: its order can end.
        """
        at = asyncio.get_running_loop().time()
        while page := await self.link.terminal.records(self.commands.position):
            self.commands.take(page, at)
        for id_ in self.commands.unheard():
            record = await self.link.terminal.record(id_, seal=True)
            if record is not None:
                self.commands.heard(record, at)

    def is_sending(self, client_id: str) -> bool:
        """Whether a submit of it is under way here."""
        kept = self.telling.known(client_id)
        return kept is not None and kept.sending

    async def _follow(self) -> None:
        """Looks for ever; raises Unreachable and Refused, after which the terminal must be opened again."""
        poll_s, again_s = self._settings.poll_ms / 1000, _AGAIN_S
        while True:
            if self.link.clock_jumped:
                raise Unreachable("the terminal's clock is not what it was", sent=False)
            fine = await self._look()
            again_s = _AGAIN_S if fine else min(again_s * 2, max(poll_s, _LONGEST_LOOK_S))
            with suppress(TimeoutError):
                async with asyncio.timeout(poll_s if fine else again_s):
                    await self._soon.wait()
            self._soon.clear()

    async def _look(self) -> bool:
        """Whether everything was told that there is to tell."""
        try:
            behind = await self.looking.look()
        except (Failed, Unreadable) as error:
            self._failed(str(error))
            self.looking.broken()
            return False
        if self._told is not None:
            _log.info("the terminal can be used again", broker=self._broker)
        self.why = self._told = None
        self._forgive()
        return behind is None
