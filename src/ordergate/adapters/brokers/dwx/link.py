"""The conversation with the expert advisor: one command at a time, and what was said since it was given.

It works its commands off one after the other and answers each before it takes the next. So the reply that is missing
of a command that timed out could be taken for the next one's: before another is given it must have answered a question
that it cannot answer before it is past everything else (`clear`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from msgspec import Struct

from ordergate.adapters.brokers.dwx.folder import Doubtful, Folder, NotWritten, Seen
from ordergate.adapters.brokers.dwx.notebook import Notebook
from ordergate.adapters.brokers.dwx.outcomes import Asked, Asks, Opens, Reply, is_reply, reply_to
from ordergate.adapters.brokers.dwx.reading import (
    Message,
    Orders,
    Row,
    Unreadable,
    history_of,
    messages_of,
    orders_of,
)
from ordergate.adapters.brokers.dwx.settings import DwxSettings
from ordergate.application.ports.clock import Clock

Shows = Callable[[], Awaitable[str | None]]
_LOOKS: Final = 3
_WAIT_FOR_PLACE: Final = timedelta(seconds=1)


class Verdict(Struct, frozen=True):
    """What became of a command.

    Attributes:
        done: True or False where that is proven, else None.
        sent: False where nothing of it can have been seen.
    """

    done: bool | None
    reason: str
    ticket: str | None = None
    sent: bool = True


class Link:
    """One folder and who writes into it; of `give`, `history` and `clear` one may be under way at a time, by `lock`."""

    def __init__(self, settings: DwxSettings, clock: Clock, notebook: Notebook) -> None:
        self._settings, self._clock, self._notebook = settings, clock, notebook
        self._folder = Folder(Path(settings.folder))
        self._deadline = timedelta(milliseconds=settings.deadline_ms)
        self._quiet = timedelta(milliseconds=settings.quiet_ms)
        self._seen: Seen | None = None
        self._changed_at: datetime | None = None
        self._clear = False
        self.lock = asyncio.Lock()

    def begin(self) -> None:
        """Nothing that was seen before counts any more."""
        self._seen, self._changed_at, self._clear = None, None, False

    @property
    def alive(self) -> bool:
        """Whether the expert advisor has written lately."""
        return self._changed_at is not None and self._clock.now() - self._changed_at <= self._quiet

    async def exists(self) -> bool:
        """Whether there is such a folder."""
        return await asyncio.to_thread(self._folder.exists)

    async def look(self) -> Orders:
        """What is open, as it was written last. Raises Unreadable."""
        return (await self._look())[1]

    async def fresh(self) -> Orders:
        """What is open, as it is written from now on. Raises Unreadable."""
        until = self._clock.now() + self._quiet
        before, why = await self._stamp(), "the expert advisor writes nothing: is it running?"
        while self._clock.now() < until:
            await self._pause()
            try:
                seen, orders = await self._look()
            except Unreadable as error:
                why = str(error)
                continue
            if before is not None and seen != before:
                self._changed_at = self._clock.now()
                return orders
            before = before or seen
        raise Unreadable(why)

    async def history(self) -> dict[str, Row]:
        """What became of orders in the last days. Raises Unreadable.

        The file is an answer by itself, for there was none. One that an earlier question was answered with late says
        the same, and is as well past what was given before that.
        """
        await asyncio.to_thread(self._folder.drop_history)
        days = str(self._settings.history_days)
        verdict = await self.give(Asks(), "GET_HISTORIC_TRADES", days, self._told)
        if not verdict.done:
            raise Unreadable(f"the history was not told: {verdict.reason}")
        self._clear = True
        return history_of(await asyncio.to_thread(self._folder.history))

    async def clear(self) -> None:
        """The expert advisor is past every command that was given before. Raises Unreadable."""
        if not self._clear:
            await self.history()

    async def give(self, asked: Asked, command: str, content: str, shows: Shows | None = None) -> Verdict:
        """Gives a command and waits for what proves something of it.

        Args:
            shows: what it names where there is something that shows that it was done; it may raise Unreadable.

        Raises:
            StoreError: its number cannot be kept; nothing was given.
        """
        before = await self._said()
        clear = self._clear
        try:
            await self._place_is_free()
            number = self._notebook.next_command(self._clock.now())
            self._clear = False  # also where nobody waits any more while it is written
            await asyncio.to_thread(self._folder.put, f"<:{number}|{command}|{content}:>")
        except (NotWritten, Unreadable) as error:
            self._clear = clear
            return Verdict(None, str(error), sent=False)
        except Doubtful as error:
            return Verdict(None, str(error))
        return await self._wait(asked, before, shows)

    async def _wait(
        self,
        asked: Asked,
        before: dict[str, Message] | None,
        shows: Shows | None,
    ) -> Verdict:
        until = self._clock.now() + self._deadline
        why = "no reply"
        while self._clock.now() < until:
            await self._pause()
            replies = await self._replies(asked, before)
            reply = _only(asked, replies)
            if reply is not None and reply.done is not None:
                self._clear = True
                return Verdict(reply.done, reply.reason, reply.ticket)
            if reply is not None or replies:
                why = replies[-1].text if reply is None else reply.reason
                self._clear = self._clear or reply is not None
            ticket = await self._shown(shows)
            if ticket is not None:
                return Verdict(True, "it is there", ticket)
        if not await asyncio.to_thread(self._folder.taken):
            withdrawn = await asyncio.to_thread(self._folder.withdraw)
            why = f"the expert advisor did not take it, it was {'' if withdrawn else 'not '}withdrawn"
        return Verdict(None, why)

    async def _replies(self, asked: Asked, before: dict[str, Message] | None) -> list[Message]:
        """What was said since; of what could be read before nothing is said now that was not said then."""
        now = await self._messages()
        if before is None or now is None:
            return []
        new = [message for key, message in now.items() if before.get(key) != message]
        return [message for message in new if is_reply(message) or reply_to(asked, message) is not None]

    async def _shown(self, shows: Shows | None) -> str | None:
        if shows is None:
            return None
        try:
            return await shows()
        except Unreadable:
            return None

    async def _said(self) -> dict[str, Message] | None:
        """What was said until now; it may just be written."""
        for _look in range(_LOOKS):
            said = await self._messages()
            if said is not None:
                return said
            await self._pause()
        return None

    async def _told(self) -> str | None:
        history_of(await asyncio.to_thread(self._folder.history))
        return ""

    async def _messages(self) -> dict[str, Message] | None:
        """None where they cannot be read: then nothing that is said later is known to be new."""
        try:
            return messages_of(await asyncio.to_thread(self._folder.messages))
        except Unreadable:
            return None

    async def _place_is_free(self) -> None:
        until = self._clock.now() + _WAIT_FOR_PLACE
        while names := await asyncio.to_thread(self._folder.waiting):
            if self._clock.now() >= until:
                raise Unreadable(
                    f"{', '.join(names)} of an earlier time or of somebody else's would be done with ours: see what it "
                    "says, and remove it"
                )
            await self._pause()

    async def _look(self) -> tuple[Seen, Orders]:
        seen, data = await asyncio.to_thread(self._folder.orders)
        if self._seen is not None and seen != self._seen:
            self._changed_at = self._clock.now()
        self._seen = seen
        return seen, orders_of(data)

    async def _stamp(self) -> Seen | None:
        try:
            return (await asyncio.to_thread(self._folder.orders))[0]
        except Unreadable:
            return None

    async def _pause(self) -> None:
        await self._clock.sleep(self._settings.poll_ms / 1000)


def _only(asked: Asked, replies: list[Message]) -> Reply | None:
    """What the replies since are to a command; of several none is known to be its, unless it names a ticket of ours."""
    found = [reply for message in replies if (reply := reply_to(asked, message)) is not None]
    if len(replies) > 1 and isinstance(asked, Opens):
        return None
    if len(replies) > 1:
        return next((reply for reply in found if reply.done), None)
    return found[0] if found else None
